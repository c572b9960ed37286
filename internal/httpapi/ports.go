package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Accounts is what the API needs of package account.
type Accounts interface {
	// Authenticate returns the account of a token, or Invalid token.
	Authenticate(ctx context.Context, token string) (account.Account, error)
	Summarize(ctx context.Context, id string) (account.Summary, error)
}

// Instances is what the API needs of package instance.
type Instances interface {
	Create(ctx context.Context, accountID string, limit *int, req instance.New) (instance.Instance, error)
	Get(ctx context.Context, accountID, name string) (instance.Instance, error)
	// Authenticate returns the instance of a token. A token that is nobody's is
	// a fault of kind Unauthorized or NotFound.
	Authenticate(ctx context.Context, token string) (instance.Instance, error)
	List(ctx context.Context, accountID string, names []string) ([]instance.Instance, error)
	Status(in instance.Instance) instance.Status
	Connect(ctx context.Context, in instance.Instance, req instance.ConnectRequest) (instance.ConnectResult, error)
	Reconnect(ctx context.Context, in instance.Instance) error
	Logout(ctx context.Context, in instance.Instance) (warning string, err error)
	Delete(ctx context.Context, in instance.Instance) error
	UpdateSettings(ctx context.Context, in instance.Instance, p instance.SettingsPatch) (instance.Settings, error)
	SetProxy(ctx context.Context, in instance.Instance, p instance.Proxy) (instance.Proxy, error)
	RotateToken(ctx context.Context, in instance.Instance, token string) (instance.Instance, error)
}

// Channels keeps the WebSocket configuration of instances; package dispatch
// has it.
type Channels interface {
	WebSocket(ctx context.Context, instanceID string) (ws dispatch.WebSocket, found bool, err error)
	SetWebSocket(ctx context.Context, instanceID string, ws dispatch.WebSocket) (dispatch.WebSocket, error)
}

// Messages is what the API needs of package message.
type Messages interface {
	SendText(ctx context.Context, instanceID string, t message.Text) (message.Answer, error)
}

// Webhooks keeps the webhooks of instances and their delivery log; package
// webhook has it.
type Webhooks interface {
	List(ctx context.Context, instanceID string) ([]webhook.Webhook, error)
	// Get returns the webhook of a label, the default one for an empty label.
	Get(ctx context.Context, instanceID, label string) (webhook.Webhook, error)
	Set(ctx context.Context, instanceID string, w webhook.Set) (webhook.Webhook, error)
	// Deliveries returns a page of the log and the Query.Before of the next
	// one, empty if there is none.
	Deliveries(ctx context.Context, instanceID string, q webhook.Query) (list []webhook.Delivery, next string, err error)
	// Redeliver queues a delivery again, or all dead ones of a label.
	Redeliver(ctx context.Context, instanceID, id, label string) (queued int, err error)
}

// Buckets keeps the media buckets of instances; package media has it.
type Buckets interface {
	Bucket(ctx context.Context, instanceID string) (c media.BucketConfig, found bool, err error)
	// CheckBucket reports whether a bucket can be used. A fault names the fields
	// of POST /api/instance/s3. One that is not enabled always can.
	CheckBucket(ctx context.Context, c media.BucketConfig) error
	// SetBucket stores a bucket that was checked and puts it in force.
	SetBucket(ctx context.Context, instanceID string, c media.BucketConfig) error
}

// Chats answers questions about stored messages; package chat has it.
type Chats interface {
	GetMessage(ctx context.Context, instanceID, own, messageID string) (chat.Message, error)
	// Media returns the file of a message, which the caller closes.
	Media(ctx context.Context, instanceID, messageID string) (chat.Media, error)
}

var (
	_ Accounts  = (*account.Service)(nil)
	_ Instances = (*instance.Service)(nil)
	_ Channels  = (*dispatch.Dispatcher)(nil)
	_ Messages  = (*message.Service)(nil)
	_ Buckets   = (*media.Library)(nil)
	_ Chats     = (*chat.Service)(nil)
	_ Webhooks  = (*webhook.Service)(nil)
)

// The two kinds of token.
const (
	TokenAccount  = "account"
	TokenInstance = "instance"
)

// Owner says what opened a WebSocket. TokenID is the hash by which the token is
// known (account.HashToken), so that a socket can be closed with its token.
type Owner struct {
	AccountID     string
	TokenType     string // TokenAccount or TokenInstance
	TokenID       string
	RemoteAddress string // without port, behind trusted proxies the client's own
	UserAgent     string
}

// Client is one open WebSocket. FramesSent and BytesSent count what was written
// to its socket; Pending is how many messages wait for it.
type Client struct {
	ID            string
	RemoteAddress string
	UserAgent     string
	TokenType     string
	ConnectedAt   time.Time
	FramesSent    int64
	BytesSent     int64
	Pending       int
}

// Sockets holds the open WebSockets; package hub implements it.
type Sockets interface {
	// Serve upgrades the connection, whose request was checked before, and
	// takes it over. An error means that nothing was upgraded; a fault among
	// them is answered as such.
	Serve(w http.ResponseWriter, r *http.Request, instanceID string, by Owner) error
	Count(instanceID string) int
	// Full reports whether the instance has as many clients as the operator
	// allows.
	Full(instanceID string) bool
	Clients(instanceID string) []Client
	// Close closes one client, or all of the instance for an empty client ID,
	// and returns how many it closed.
	Close(instanceID, clientID string, code int) int
}

// Health tells how the process is doing.
type Health interface {
	// Database reports whether the database answers.
	Database(ctx context.Context) error
	Starting() bool
	Draining() bool
}

// Deps are the parts that the API speaks to. All but Sandbox, Metrics and
// Schemas are required.
type Deps struct {
	Accounts  Accounts
	Instances Instances
	Channels  Channels
	Webhooks  Webhooks
	Messages  Messages
	Buckets   Buckets
	Chats     Chats
	Sockets   Sockets
	Health    Health
	// Sandbox serves everything under /sandbox to callers with an account
	// token; PrincipalFrom tells whose. nil: those paths are unknown.
	Sandbox http.Handler
	// Metrics writes the Prometheus text. nil: an empty page.
	Metrics http.Handler
	// Schemas holds the JSON Schema of each event type.
	Schemas map[event.Type]json.RawMessage
}

// Limits are requests a minute; nil takes the default and 0 turns a limit off.
// Token 0 turns off those that are nil as well.
type Limits struct {
	Token   *int // rate_limit, each token: 100
	New     *int // rate_limit_new, POST /api/instance/new of each token: 20
	Address *int // rate_limit_address, each address without a valid token: 100
}

// Options tune the API. The zero value is useful.
type Options struct {
	RateLimits Limits
	// TrustedProxies are the peers whose X-Forwarded-For and X-Forwarded-Host
	// count.
	TrustedProxies []netip.Prefix
	// AllowedOrigins are exact origins (scheme, host and port) or "*", for CORS
	// and for WebSockets.
	AllowedOrigins []string
	// BaseURL is where users reach the server; nil or an empty answer: unknown.
	BaseURL func() string
	// Docs serves /docs and /openapi.json.
	Docs bool
	// MetricsToken guards /metrics; empty: only direct loopback peers may read.
	MetricsToken string
	Version      string
	Logger       *slog.Logger
}
