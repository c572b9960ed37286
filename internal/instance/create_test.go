package instance_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
)

func TestCreate(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		in, err := w.svc.Create(w.Context(), "acme", nil, instance.New{Name: "support", Settings: instance.DefaultSettings()})
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(in.Token) {
			t.Errorf("drawn token %q is not 32 bytes in base64url", in.Token)
		}
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7`).MatchString(in.ID) {
			t.Errorf("id %q is not a UUID v7", in.ID)
		}
		if d := cmp.Diff(in, w.stored(in.ID)); d != "" {
			t.Errorf("stored (-answered +stored):\n%s", d)
		}
		want := instance.Status{State: instance.Disconnected, Presence: "unavailable"}
		if d := cmp.Diff(want, w.svc.Status(in)); d != "" {
			t.Errorf("Status (-want +got):\n%s", d)
		}
		got, err := w.svc.Authenticate(w.Context(), in.Token)
		if err != nil || got.ID != in.ID {
			t.Errorf("Authenticate = %v, %v", got.ID, err)
		}
		w.in = in
		if got := w.connect(instance.ConnectRequest{}); got.QRCode != "code1" {
			t.Errorf("Connect = %+v", got)
		}
	})
}

func TestCreateRefusals(t *testing.T) {
	one := 1
	token := strings.Repeat("t", 16)
	tests := map[string]struct {
		req   instance.New
		limit *int
		kind  fault.Kind
		text  string
		field string
	}{
		"no name":        {req: instance.New{}, kind: fault.Invalid, text: "Instance name is required"},
		"slash in name":  {req: instance.New{Name: "a/b"}, kind: fault.Invalid, text: "Invalid request body", field: "name"},
		"dot first":      {req: instance.New{Name: ".a"}, kind: fault.Invalid, text: "Invalid request body", field: "name"},
		"101 characters": {req: instance.New{Name: strings.Repeat("a", 101)}, kind: fault.Invalid, text: "Invalid request body", field: "name"},
		"short token":    {req: instance.New{Name: "a", Token: token[1:]}, kind: fault.Invalid, text: "Invalid request body", field: "token"},
		"long token":     {req: instance.New{Name: "a", Token: strings.Repeat("t", 257)}, kind: fault.Invalid, text: "Invalid request body", field: "token"},
		"token alphabet": {req: instance.New{Name: "a", Token: token + " "}, kind: fault.Invalid, text: "Invalid request body", field: "token"},
		"reject message": {req: instance.New{Name: "a", Settings: instance.Settings{CallRejectMessage: strings.Repeat("é", 1025)}}, kind: fault.Invalid, text: "Invalid request body", field: "callRejectMessage"},
		"proxy":          {req: instance.New{Name: "a", Proxy: instance.Proxy{Enabled: true, Port: "1", Protocol: "http"}}, kind: fault.Invalid, text: "Invalid request body", field: "proxyHost"},
		"name taken":     {req: instance.New{Name: "sales"}, kind: fault.Conflict, text: "Instance already exists"},
		"token taken":    {req: instance.New{Name: "a", Token: "0123456789abcdef"}, kind: fault.Conflict, text: "Token already in use"},
		"quota":          {req: instance.New{Name: "a"}, limit: &one, kind: fault.Forbidden, text: "Account instance quota exceeded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, unlinked(), instance.Options{}, nil, func(w *world) {
				_, err := w.svc.Create(w.Context(), "acme", tt.limit, tt.req)
				wantFault(t, err, tt.kind, tt.text)
				wantDetail(t, err, tt.field)
			})
		})
	}
}

func TestCreateAcceptsTheLimits(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		for _, req := range []instance.New{
			{Name: strings.Repeat("a", 100), Token: strings.Repeat("t", 16)},
			{Name: "0_.-", Token: strings.Repeat("T", 240) + "._~+/=-012345678"},
			{Name: "m", Settings: instance.Settings{CallRejectMessage: strings.Repeat("é", 1024)}},
		} {
			if _, err := w.svc.Create(w.Context(), "acme", nil, req); err != nil {
				t.Errorf("%+v: %v", req, err)
			}
		}
	})
}

func wantDetail(t *testing.T, err error, field string) {
	t.Helper()
	var f *fault.Error
	if field == "" || !errors.As(err, &f) {
		return
	}
	if len(f.Details) != 1 || f.Details[0].Field != field {
		t.Errorf("details = %+v, want %s", f.Details, field)
	}
}

func TestCreateThatFailsSaysNoSecrets(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		w.failing(errors.New("disk: secret"))
		_, err := w.svc.Create(w.Context(), "acme", nil, instance.New{Name: "a"})
		wantFault(t, err, fault.Internal, "Failed to create instance: internal error")
	})
}

func TestList(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		if _, err := w.svc.Create(w.Context(), "acme", nil, instance.New{Name: "b"}); err != nil {
			t.Fatal(err)
		}
		tests := map[string]struct {
			names []string
			want  []string
		}{
			"all":                        {nil, []string{"b", "sales"}},
			"one":                        {[]string{"sales"}, []string{"sales"}},
			"unknown in a list: skipped": {[]string{"b", "nobody"}, []string{"b"}},
		}
		for name, tt := range tests {
			var got []string
			list, err := w.svc.List(w.Context(), "acme", tt.names)
			for _, in := range list {
				got = append(got, in.Name)
			}
			if d := cmp.Diff(tt.want, got); d != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
			}
		}
		_, err := w.svc.List(w.Context(), "acme", []string{"nobody"})
		wantFault(t, err, fault.NotFound, "Instance not found")
		_, err = w.svc.Get(w.Context(), "other account", "sales")
		wantFault(t, err, fault.NotFound, "Instance not found")
	})
}

// rest.md: settings take effect at once.
func TestUpdateSettings(t *testing.T) {
	yes, long := true, strings.Repeat("x", 1025)
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		_, err := w.svc.UpdateSettings(w.Context(), w.in, instance.SettingsPatch{})
		wantFault(t, err, fault.Invalid, "Invalid request body")
		_, err = w.svc.UpdateSettings(w.Context(), w.in, instance.SettingsPatch{CallRejectMessage: &long})
		wantFault(t, err, fault.Invalid, "Invalid request body")
		wantDetail(t, err, "callRejectMessage")

		got, err := w.svc.UpdateSettings(w.Context(), w.in, instance.SettingsPatch{IgnoreStatus: &yes})
		want := instance.Settings{DisableHistorySync: true, IgnoreStatus: true}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		for name, s := range map[string]instance.Settings{"stored": w.stored("id-1").Settings, "applied": w.engine.last().settings} {
			if d := cmp.Diff(want, s); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
		w.failing(errors.New("disk"))
		_, err = w.svc.UpdateSettings(w.Context(), w.in, instance.SettingsPatch{IgnoreStatus: &yes})
		wantFault(t, err, fault.Internal, "Failed to update settings configuration")
	})
}

func TestRotateToken(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		in, err := w.svc.RotateToken(w.Context(), w.in, "another-token-123")
		if err != nil || in.Token != "another-token-123" || w.stored("id-1").Token != in.Token {
			t.Errorf("RotateToken = %q, %v", in.Token, err)
		}
		if h := w.history(); h[len(h)-1] != "token of sales" {
			t.Errorf("the observer was not told: %v", h)
		}
		if in, err = w.svc.RotateToken(w.Context(), w.in, ""); err != nil || len(in.Token) != 43 {
			t.Errorf("drawn: %q, %v", in.Token, err)
		}
		_, err = w.svc.RotateToken(w.Context(), w.in, "short")
		wantFault(t, err, fault.Invalid, "Invalid request body")
		if w.state() != instance.Connected {
			t.Error("WhatsApp did not stay connected")
		}
	})
}

func TestProxyValidation(t *testing.T) {
	good := instance.Proxy{Enabled: true, Host: "proxy.example.com", Port: "1080", Protocol: "SOCKS5", Username: "u", Password: "p"}
	tests := map[string]struct {
		change func(p *instance.Proxy)
		fields []string
	}{
		"good":          {func(*instance.Proxy) {}, nil},
		"address":       {func(p *instance.Proxy) { p.Host = "10.0.0.7" }, nil},
		"IPv6":          {func(p *instance.Proxy) { p.Host = "2606:4700::1" }, nil},
		"nothing given": {func(p *instance.Proxy) { *p = instance.Proxy{Enabled: true} }, []string{"host", "port", "protocol"}},
		"port 0":        {func(p *instance.Proxy) { p.Port = "0" }, []string{"port"}},
		"port 65536":    {func(p *instance.Proxy) { p.Port = "65536" }, []string{"port"}},
		"port name":     {func(p *instance.Proxy) { p.Port = "http" }, []string{"port"}},
		"protocol":      {func(p *instance.Proxy) { p.Protocol = "ftp" }, []string{"protocol"}},
		"host is a URL": {func(p *instance.Proxy) { p.Host = "http://x" }, []string{"host"}},
		"refused host":  {func(p *instance.Proxy) { p.Host = "169.254.1.1" }, []string{"host"}},
	}
	opts := instance.Options{CheckProxyHost: func(host string) error {
		if host == "169.254.1.1" {
			return errors.New("must not be a link-local address")
		}
		return nil
	}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, unlinked(), opts, nil, func(w *world) {
				p := good
				tt.change(&p)
				got, err := w.svc.SetProxy(w.Context(), w.in, p)
				if tt.fields == nil {
					p.Protocol = "socks5"
					if d := cmp.Diff(p, got); d != "" || err != nil {
						t.Errorf("%v (-want +got):\n%s", err, d)
					}
					return
				}
				var f *fault.Error
				if !errors.As(err, &f) {
					t.Fatalf("err = %v", err)
				}
				var fields []string
				for _, d := range f.Details {
					fields = append(fields, d.Field)
				}
				if d := cmp.Diff(tt.fields, fields); d != "" {
					t.Errorf("fields (-want +got):\n%s", d)
				}
				if w.stored("id-1").Proxy.Enabled {
					t.Error("stored all the same")
				}
			})
		})
	}
}

// rest.md: a proxy applies from the next connect or reconnect, swapped only
// while disconnected; enabled:false clears all, and the server's is used.
func TestProxyAppliesFromTheNextReconnect(t *testing.T) {
	within(t, linked(), instance.Options{ServerProxy: "http://server:1"}, nil, func(w *world) {
		c := w.engine.last()
		if c.proxy != "http://server:1" {
			t.Errorf("proxy = %q at first", c.proxy)
		}
		set := func(p instance.Proxy, want string) {
			t.Helper()
			before := c.proxy
			if _, err := w.svc.SetProxy(w.Context(), w.in, p); err != nil {
				t.Fatal(err)
			}
			if c.proxy != before {
				t.Error("changed while connected")
			}
			if err := w.svc.Reconnect(w.Context(), w.in); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if c.proxy != want || w.state() != instance.Connected {
				t.Errorf("proxy = %q, state %s; want %q", c.proxy, w.state(), want)
			}
		}
		set(instance.Proxy{Enabled: true, Host: "::1", Port: "8080", Protocol: "HTTP", Username: "u", Password: "p:@"}, "http://u:p%3A%40@[::1]:8080")
		set(instance.Proxy{Host: "left over"}, "http://server:1")
		set(instance.Proxy{}, "http://server:1")
		if c.proxied != 2 {
			t.Errorf("the transports were swapped %d times for 2 changes", c.proxied)
		}
		if got := w.stored("id-1").Proxy; got != (instance.Proxy{}) {
			t.Errorf("stored %+v", got)
		}
	})
}

// rest.md: in sandbox and demo a proxy is stored and answered, never used.
func TestProxiesAreIgnoredInASandbox(t *testing.T) {
	in := linked()
	in.Proxy = instance.Proxy{Enabled: true, Host: "h", Port: "1", Protocol: "http"}
	within(t, in, instance.Options{ServerProxy: "http://server:1", IgnoreProxies: true}, nil, func(w *world) {
		if c := w.engine.last(); c.proxy != "" || w.stored("id-1").Proxy != in.Proxy {
			t.Errorf("proxy = %q, stored %+v", c.proxy, w.stored("id-1").Proxy)
		}
	})
}
