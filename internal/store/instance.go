package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

// deleteStep is how many rows one transaction deletes, so that the writer is
// never kept for long.
const deleteStep = 500

func instanceExists() error { return fault.New(fault.Conflict, "Instance already exists") }

func quotaExceeded() error { return fault.New(fault.Forbidden, "Account instance quota exceeded") }

// CreateInstance implements instance.Store. Of several faults the quota comes
// first, then the name, then the token.
func (db *DB) CreateInstance(ctx context.Context, in instance.Instance, limit *int) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		// The lock keeps the count true until the commit.
		n, err := q.LockAccount(ctx, in.AccountID)
		if err := affected(n, err, account.NotFound()); err != nil {
			return err
		}
		if err := refuseOverQuota(ctx, q, in.AccountID, limit); err != nil {
			return err
		}
		n, err = q.CountInstancesNamed(ctx, sqlgen.CountInstancesNamedParams{AccountID: in.AccountID, Name: in.Name})
		if err != nil {
			return err
		}
		if n > 0 {
			return instanceExists()
		}
		hash := account.HashToken(in.Token)
		if err := refuseUsedToken(ctx, q, in.ID, hash); err != nil {
			return err
		}
		return q.CreateInstance(ctx, db.fromInstance(in, hash))
	})
}

func refuseOverQuota(ctx context.Context, q *sqlgen.Queries, accountID string, limit *int) error {
	if limit == nil {
		return nil
	}
	used, err := q.CountInstances(ctx, accountID)
	if err == nil && used >= int64(*limit) {
		return quotaExceeded()
	}
	return err
}

// GetInstance implements instance.Store.
func (db *DB) GetInstance(ctx context.Context, accountID, name string) (instance.Instance, error) {
	return db.oneInstance(db.read.GetInstance(ctx, sqlgen.GetInstanceParams{AccountID: accountID, Name: name}))
}

// GetInstanceByToken implements instance.Store.
func (db *DB) GetInstanceByToken(ctx context.Context, token string) (instance.Instance, error) {
	return db.oneInstance(db.read.GetInstanceByTokenHash(ctx, account.HashToken(token)))
}

func (db *DB) oneInstance(row sqlgen.Instance, err error) (instance.Instance, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return instance.Instance{}, fault.InstanceNotFound()
	}
	if err != nil {
		return instance.Instance{}, err
	}
	return db.toInstance(row)
}

// ListInstances implements instance.Store.
func (db *DB) ListInstances(ctx context.Context, accountID string) ([]instance.Instance, error) {
	rows, err := db.instanceRows(ctx, accountID)
	if err != nil {
		return nil, err
	}
	list := make([]instance.Instance, len(rows))
	for i, row := range rows {
		if list[i], err = db.toInstance(row); err != nil {
			return nil, err
		}
	}
	// Not in SQL: the order would depend on the dialect's collation.
	slices.SortFunc(list, func(a, b instance.Instance) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

func (db *DB) instanceRows(ctx context.Context, accountID string) ([]sqlgen.Instance, error) {
	if accountID == "" {
		return db.read.ListAllInstances(ctx)
	}
	return db.read.ListInstances(ctx, accountID)
}

// UpdateSettings implements instance.Store.
func (db *DB) UpdateSettings(ctx context.Context, id string, s instance.Settings, at time.Time) error {
	return db.updateInstance(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.UpdateSettings(ctx, sqlgen.UpdateSettingsParams{
			ID:                  id,
			AutoRejectCalls:     s.AutoRejectCalls,
			CallRejectMessage:   s.CallRejectMessage,
			IgnoreGroupMessages: s.IgnoreGroupMessages,
			KeepOnlineStatus:    s.KeepOnlineStatus,
			AutoReadMessages:    s.AutoReadMessages,
			DisableHistorySync:  s.DisableHistorySync,
			IgnoreStatus:        s.IgnoreStatus,
			UpdatedAt:           fromTime(at),
		})
	})
}

// UpdateProxy implements instance.Store.
func (db *DB) UpdateProxy(ctx context.Context, id string, p instance.Proxy, at time.Time) error {
	return db.updateInstance(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.UpdateProxy(ctx, sqlgen.UpdateProxyParams{
			ID:            id,
			ProxyEnabled:  p.Enabled,
			ProxyHost:     p.Host,
			ProxyPort:     p.Port,
			ProxyProtocol: p.Protocol,
			ProxyUsername: p.Username,
			ProxyPassword: db.sealPassword(p.Password, id),
			UpdatedAt:     fromTime(at),
		})
	})
}

// UpdateToken implements instance.Store.
func (db *DB) UpdateToken(ctx context.Context, id, token string, at time.Time) error {
	hash := account.HashToken(token)
	return db.updateInstance(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		if err := refuseUsedToken(ctx, q, id, hash); err != nil {
			return 0, err
		}
		return q.UpdateInstanceToken(ctx, sqlgen.UpdateInstanceTokenParams{
			ID: id, TokenHash: hash, Token: db.sealToken(token, id), UpdatedAt: fromTime(at),
		})
	})
}

// UpdateLogin implements instance.Store.
func (db *DB) UpdateLogin(ctx context.Context, id string, l instance.Login, loggedOut bool, at time.Time) error {
	return db.updateInstance(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.UpdateLogin(ctx, sqlgen.UpdateLoginParams{
			ID:           id,
			DeviceJID:    l.DeviceJID,
			LID:          l.LID,
			PushName:     l.PushName,
			BusinessName: l.BusinessName,
			PictureUrl:   l.PictureURL,
			LoggedOut:    loggedOut,
			UpdatedAt:    fromTime(at),
		})
	})
}

// UpdatePhoneSeen implements instance.Store.
func (db *DB) UpdatePhoneSeen(ctx context.Context, id string, at time.Time) error {
	return db.updateInstance(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.UpdatePhoneSeen(ctx, sqlgen.UpdatePhoneSeenParams{ID: id, PhoneSeen: fromTime(at)})
	})
}

func (db *DB) updateInstance(ctx context.Context, update func(context.Context, *sqlgen.Queries) (int64, error)) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := update(ctx, q)
		return affected(n, err, fault.InstanceNotFound())
	})
}

// DeleteInstance implements instance.Store. What may be much goes first, in
// steps; if that is interrupted the instance is still there and can be deleted
// again.
func (db *DB) DeleteInstance(ctx context.Context, id string) error {
	err := db.inSteps(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.DeleteSomeMessages(ctx, sqlgen.DeleteSomeMessagesParams{InstanceID: id, Step: deleteStep})
	})
	if err != nil {
		return err
	}
	if err := db.deleteQueue(ctx, id); err != nil {
		return err
	}
	if err := db.deleteFiles(ctx, id); err != nil {
		return err
	}
	return db.updateInstance(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.DeleteInstance(ctx, id)
	})
}

func (db *DB) fromInstance(in instance.Instance, tokenHash string) sqlgen.CreateInstanceParams {
	return sqlgen.CreateInstanceParams{
		ID:                  in.ID,
		AccountID:           in.AccountID,
		Name:                in.Name,
		TokenHash:           tokenHash,
		Token:               db.sealToken(in.Token, in.ID),
		DeviceJID:           in.Login.DeviceJID,
		LID:                 in.Login.LID,
		PushName:            in.Login.PushName,
		BusinessName:        in.Login.BusinessName,
		PictureUrl:          in.Login.PictureURL,
		LoggedOut:           in.LoggedOut,
		AutoRejectCalls:     in.Settings.AutoRejectCalls,
		CallRejectMessage:   in.Settings.CallRejectMessage,
		IgnoreGroupMessages: in.Settings.IgnoreGroupMessages,
		KeepOnlineStatus:    in.Settings.KeepOnlineStatus,
		AutoReadMessages:    in.Settings.AutoReadMessages,
		DisableHistorySync:  in.Settings.DisableHistorySync,
		IgnoreStatus:        in.Settings.IgnoreStatus,
		ProxyEnabled:        in.Proxy.Enabled,
		ProxyHost:           in.Proxy.Host,
		ProxyPort:           in.Proxy.Port,
		ProxyProtocol:       in.Proxy.Protocol,
		ProxyUsername:       in.Proxy.Username,
		ProxyPassword:       db.sealPassword(in.Proxy.Password, in.ID),
		PhoneSeen:           fromTime(in.PhoneSeen),
		CreatedAt:           fromTime(in.CreatedAt),
		UpdatedAt:           fromTime(in.UpdatedAt),
	}
}

func (db *DB) toInstance(row sqlgen.Instance) (instance.Instance, error) {
	token, err := db.openToken(row.Token, row.ID)
	if err != nil {
		return instance.Instance{}, err
	}
	password, err := db.openPassword(row.ProxyPassword, row.ID)
	if err != nil {
		return instance.Instance{}, err
	}
	return instance.Instance{
		ID:        row.ID,
		AccountID: row.AccountID,
		Name:      row.Name,
		Token:     token,
		Login: instance.Login{
			DeviceJID:    row.DeviceJID,
			LID:          row.LID,
			PushName:     row.PushName,
			BusinessName: row.BusinessName,
			PictureURL:   row.PictureUrl,
		},
		LoggedOut: row.LoggedOut,
		Settings: instance.Settings{
			AutoRejectCalls:     row.AutoRejectCalls,
			CallRejectMessage:   row.CallRejectMessage,
			IgnoreGroupMessages: row.IgnoreGroupMessages,
			KeepOnlineStatus:    row.KeepOnlineStatus,
			AutoReadMessages:    row.AutoReadMessages,
			DisableHistorySync:  row.DisableHistorySync,
			IgnoreStatus:        row.IgnoreStatus,
		},
		Proxy: instance.Proxy{
			Enabled:  row.ProxyEnabled,
			Host:     row.ProxyHost,
			Port:     row.ProxyPort,
			Protocol: row.ProxyProtocol,
			Username: row.ProxyUsername,
			Password: password,
		},
		PhoneSeen: toTime(row.PhoneSeen),
		CreatedAt: toTime(row.CreatedAt),
		UpdatedAt: toTime(row.UpdatedAt),
	}, nil
}

func tokenPlace(id string) string { return "instances.token/" + id }

func passwordPlace(id string) string { return "instances.proxy_password/" + id }

func (db *DB) sealToken(token, id string) []byte {
	return db.box.Seal([]byte(token), tokenPlace(id))
}

func (db *DB) openToken(sealed []byte, id string) (string, error) {
	plain, err := db.box.Open(sealed, tokenPlace(id))
	if err != nil {
		return "", fmt.Errorf("token of instance %s: %w", id, err)
	}
	return string(plain), nil
}

func (db *DB) sealPassword(password, id string) []byte {
	if password == "" {
		return nil
	}
	return db.box.Seal([]byte(password), passwordPlace(id))
}

func (db *DB) openPassword(sealed []byte, id string) (string, error) {
	if sealed == nil {
		return "", nil
	}
	plain, err := db.box.Open(sealed, passwordPlace(id))
	if err != nil {
		return "", fmt.Errorf("proxy password of instance %s: %w", id, err)
	}
	return string(plain), nil
}
