package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/app"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/control"
)

// accountCmd groups the account commands and the options that say where the
// accounts are.
type accountCmd struct {
	Data          string `key:"data" default:"./data" help:"Folder of the SQLite file and keys."`
	DatabaseURL   string `key:"database_url" help:"Postgres instead of SQLite (not available yet)."`
	EncryptionKey string `key:"encryption_key" env:"CHASQUI_ENCRYPTION_KEY,ENCRYPTION_KEY" help:"32 bytes as base64 or hex. Default: the key file in data."`

	Create accountCreateCmd `cmd:"" help:"Make an account and print its token, this once."`
	List   accountListCmd   `cmd:"" help:"List the accounts."`
	Rotate accountRotateCmd `cmd:"" help:"Replace an account's token and print the new one, this once."`
	Limit  accountLimitCmd  `cmd:"" help:"Set or remove the number of instances an account may have."`
	Delete accountDeleteCmd `cmd:"" help:"Delete an account with all its instances."`
}

// accounts is what both a running server and the database itself can do.
type accounts interface {
	Create(ctx context.Context, name, token string, limit *int) (account.Account, string, error)
	List(ctx context.Context) ([]account.Summary, error)
	Rotate(ctx context.Context, name, token string) (string, error)
	SetLimit(ctx context.Context, name string, limit *int) (account.Account, error)
	Delete(ctx context.Context, name string, force bool) error
}

// with calls do with the accounts: over the socket of a running server, else on
// the database itself, which must be there.
func (c *accountCmd) with(con *console, do func(accounts) error) error {
	return c.open(con, false, do)
}

// open is with that can make a database where there is none.
func (c *accountCmd) open(con *console, create bool, do func(accounts) error) error {
	opts := config.Options{Listen: "127.0.0.1:0", Data: c.Data, DatabaseURL: c.DatabaseURL, EncryptionKey: c.EncryptionKey}
	if err := opts.CheckStorage(); err != nil {
		return badOptions{err}
	}
	client, err := control.Dial(con.ctx, c.Data)
	if err == nil {
		defer client.Close()
		return do(client)
	}
	if !errors.Is(err, control.ErrNoServer) {
		return err
	}
	direct, release, err := app.OpenAccounts(con.ctx, opts, create)
	if err != nil {
		return err
	}
	return errors.Join(do(direct), release())
}

type accountCreateCmd struct {
	Name  string `arg:"" help:"Name of the account."`
	Limit *int   `help:"How many instances it may have. Default: no limit."`
	Token string `env:"CHASQUI_NEW_TOKEN" help:"Its token, 16-256 of [A-Za-z0-9._~+/=-]. Default: drawn at random."`
}

// Run creates the account.
func (c *accountCreateCmd) Run(con *console, parent *cli) error {
	return parent.Account.open(con, true, func(a accounts) error {
		_, token, err := a.Create(con.ctx, c.Name, c.Token, c.Limit)
		if err != nil {
			return err
		}
		return printToken(con.stdout, token)
	})
}

func printToken(w io.Writer, token string) error {
	_, err := fmt.Fprintln(w, token)
	return err
}

type accountListCmd struct{}

// Run lists the accounts.
func (c *accountListCmd) Run(con *console, parent *cli) error {
	return parent.Account.with(con, func(a accounts) error {
		list, err := a.List(con.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(con.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "NAME\tINSTANCES\tLIMIT\tCREATED") // errors come at Flush
		for _, acc := range list {
			limit := "none"
			if acc.InstanceLimit != nil {
				limit = fmt.Sprint(*acc.InstanceLimit)
			}
			_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", acc.Name, acc.InstancesUsed, limit, acc.CreatedAt.UTC().Format("2006-01-02T15:04:05Z"))
		}
		return w.Flush()
	})
}

type accountRotateCmd struct {
	Name  string `arg:"" help:"Name of the account."`
	Token string `env:"CHASQUI_NEW_TOKEN" help:"The new token. Default: drawn at random."`
}

// Run rotates the token.
func (c *accountRotateCmd) Run(con *console, parent *cli) error {
	return parent.Account.with(con, func(a accounts) error {
		token, err := a.Rotate(con.ctx, c.Name, c.Token)
		if err != nil {
			return err
		}
		return printToken(con.stdout, token)
	})
}

type accountLimitCmd struct {
	Name  string `arg:"" help:"Name of the account."`
	Limit string `arg:"" help:"Number of instances, or 'none'."`
}

// Run sets the limit.
func (c *accountLimitCmd) Run(con *console, parent *cli) error {
	var limit *int
	if c.Limit != "none" {
		var n int
		if _, err := fmt.Sscanf(c.Limit+"\n", "%d\n", &n); err != nil || n < 0 {
			return badOptions{errors.New("limit: must be a number of instances or 'none'")}
		}
		limit = &n
	}
	return parent.Account.with(con, func(a accounts) error {
		_, err := a.SetLimit(con.ctx, c.Name, limit)
		return err
	})
}

type accountDeleteCmd struct {
	Name  string `arg:"" help:"Name of the account."`
	Force bool   `help:"Without a running server: delete linked instances here, though the phones go on listing the devices."`
}

// Run deletes the account.
func (c *accountDeleteCmd) Run(con *console, parent *cli) error {
	return parent.Account.with(con, func(a accounts) error {
		err := a.Delete(con.ctx, c.Name, c.Force)
		if errors.Is(err, account.HasLinkedInstances()) {
			return fmt.Errorf("%w: start the server to log them out, or give --force, after which the phones go on listing the devices", err)
		}
		if err != nil {
			return err
		}
		if _, direct := a.(*account.Service); direct && c.Force {
			_, err := fmt.Fprintln(con.stderr, "chasqui: phones that were linked go on listing the devices until they are removed there")
			return err
		}
		return nil
	})
}

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check the options and say what is wrong."`
	Print configPrintCmd `cmd:"" help:"Print the options in force and where each comes from; secrets are hidden."`
	Doc   configDocCmd   `cmd:"" help:"Print the reference of options as Markdown."`
}

type configCheckCmd struct {
	sandboxCmd `embed:""`
}

// Run checks the options.
func (c *configCheckCmd) Run(con *console) error {
	if err := c.check(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(con.stdout, "configuration is good")
	return err
}

type configPrintCmd struct {
	sandboxCmd `embed:""`
}

// Run prints the options: those of the server that runs on the data folder,
// else what this command line would give.
func (c *configPrintCmd) Run(con *console) error {
	values := config.Explain(con.parse, con.file, os.LookupEnv)
	client, err := control.Dial(con.ctx, c.Data)
	switch {
	case err == nil:
		defer client.Close()
		if values, err = client.Config(con.ctx); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(con.stderr, "chasqui: as the server on %s has them\n", filepath.Clean(c.Data)) // a note only
	case !errors.Is(err, control.ErrNoServer):
		return err
	}
	w := tabwriter.NewWriter(con.stdout, 0, 0, 2, ' ', 0)
	for _, v := range values {
		_, _ = fmt.Fprintf(w, "%s\t%s\t(%s)\n", v.Key, v.Value, v.Source) // errors come at Flush
	}
	return w.Flush()
}

type configDocCmd struct{}

// Run prints the reference.
func (c *configDocCmd) Run(con *console) error {
	_, err := io.WriteString(con.stdout, config.Markdown(config.Describe(config.Options{}, config.Sandbox{})))
	return err
}
