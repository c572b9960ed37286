package config

// Options are the options of serve, sandbox and demo. The tags are read by the
// command-line parser and by Describe: key names the option in chasqui.yaml,
// secret keeps its value out of everything that is printed, implied is the
// default of an option whose absence means more than a value.
type Options struct {
	Listen             string `key:"listen" default:"127.0.0.1:8080" help:"Address to listen on; port 0 picks a free one."`
	Data               string `key:"data" default:"./data" help:"Folder of the SQLite file, keys and media."`
	BaseURL            string `key:"base_url" help:"Public address of this server, for instanceData.baseUrl and links. Default: from listen."`
	AccountToken       string `key:"account_token" secret:"true" help:"Token of the account 'default', 16-256 of [A-Za-z0-9._~+/=-]. Without it and without any account one is generated."`
	EncryptionKey      string `key:"encryption_key" env:"CHASQUI_ENCRYPTION_KEY,ENCRYPTION_KEY" secret:"true" help:"32 bytes as base64 or hex, for secrets at rest. Default: a key file made in data."`
	DatabaseURL        string `key:"database_url" secret:"true" help:"Postgres instead of SQLite (not available yet)."`
	NATSURL            string `key:"nats_url" name:"nats-url" secret:"true" help:"NATS, for several nodes (not available yet)."`
	TLSCert            string `key:"tls.cert" help:"PEM file of the certificate; read again on SIGHUP."`
	TLSKey             string `key:"tls.key" help:"PEM file of the certificate's key; read again on SIGHUP."`
	TrustedProxies     List   `key:"trusted_proxies" help:"Networks whose forwarded headers count, as CIDR or address."`
	AllowedOrigins     List   `key:"allowed_origins" help:"Origins for CORS and WebSockets (scheme://host[:port], or *)."`
	RateLimit          int    `key:"rate_limit" default:"100" help:"Requests a minute and token; 0 is off, also for the other two unless they are given."`
	RateLimitNew       *int   `key:"rate_limit_new" implied:"20" help:"Requests a minute and token to instance/new. Default: 20."`
	RateLimitAddress   *int   `key:"rate_limit_address" implied:"100" help:"Requests a minute and address without a valid token. Default: 100."`
	LogFormat          string `key:"log_format" enum:",text,json" default:"" help:"text or json. Default: text on a terminal, else json."`
	Docs               bool   `key:"docs" default:"true" negatable:"" help:"Serve /docs and /openapi.json."`
	MetricsToken       string `key:"metrics.token" secret:"true" help:"Bearer token of /metrics. Without one only loopback may read it."`
	EventsIncludeToken bool   `key:"events.include_token" default:"true" negatable:"" help:"Put the instance's token into events."`

	WebsocketPing        Duration `key:"websocket.ping" default:"30s" help:"Pause between pings to a WebSocket client."`
	WebsocketTimeout     Duration `key:"websocket.timeout" default:"75s" help:"A client silent for this long is dropped."`
	WebsocketStall       Duration `key:"websocket.stall" default:"30s" help:"A client that takes no byte for this long while data wait is dropped."`
	WebsocketMaxClients  int      `key:"websocket.max_clients" default:"0" help:"WebSocket clients an instance may have; 0 is no limit."`
	WebsocketLagMemory   Size     `key:"websocket.lag_memory" default:"256MiB" help:"What lagging clients alone may keep in memory."`
	WebsocketCompression bool     `key:"websocket.compression" default:"false" negatable:"" help:"Offer permessage-deflate."`

	WebhookTimeout    Duration  `key:"webhook.timeout" default:"15s" help:"How long a webhook's receiver may take to answer."`
	WebhookPool       int       `key:"webhook.pool" default:"256" help:"Deliveries that may run at once to healthy webhooks."`
	WebhookSlowPool   int       `key:"webhook.slow_pool" default:"64" help:"Deliveries that may run at once to webhooks that fail or are slow."`
	WebhookSchedule   Durations `key:"webhook.schedule" default:"5s,30s,2m,10m,30m,2h,6h,12h" help:"Pauses before a failed delivery is tried again, each give or take a fifth."`
	WebhookRetention  Duration  `key:"webhook.retention" default:"14d" help:"How long dead deliveries are kept, and those that wait for a paused webhook."`
	WebhookPauseAfter Duration  `key:"webhook.pause_after" default:"5d" help:"A webhook that fails for this long is paused."`

	MediaBase64Max   Size     `key:"media.base64_max" name:"media-base64-max" env:"CHASQUI_MEDIA_BASE64_MAX" default:"16MiB" help:"Largest file that events carry as base64."`
	MediaWait        Duration `key:"media.wait" default:"15s" help:"How long an event waits for its file on the WebSocket."`
	MediaWebhookWait Duration `key:"media.webhook_wait" default:"5m" help:"How long an event waits for its file on a webhook."`
	MediaMemory      Size     `key:"media.memory" default:"128MiB" help:"Media bytes in flight at once."`
	MediaRetention   Duration `key:"media.retention" default:"30d" help:"How long fetched files are kept in data; 0 is for ever."`

	StoreRetention Duration `key:"store.retention" default:"90d" help:"How long messages are kept; 0 is for ever."`
	StoreSync      string   `key:"store.sync" enum:"normal,full" default:"normal" help:"full: SQLite syncs at every commit."`

	SendRate  *int `key:"send.rate" implied:"60" help:"Messages a minute and instance; 0 is off. Default: 60, in sandbox and demo 0."`
	SendBurst int  `key:"send.burst" default:"20" help:"Messages that may go at once."`

	EgressAllowNetworks List `key:"egress.allow_networks" help:"Non-public networks that addresses given by users may reach. Default: none, in sandbox and demo loopback."`

	WhatsappVersion    string `key:"whatsapp.version" help:"Web version to present, as 2.3000.123. Default: kept current."`
	WhatsappProxy      string `key:"whatsapp.proxy" secret:"true" help:"Proxy URL of instances without one of their own."`
	WhatsappDeviceName string `key:"whatsapp.device_name" default:"chasqui" help:"Name of the linked device on the phone."`
}

// Sandbox are the options that only the sandbox has.
type Sandbox struct {
	Network string `key:"network" help:"http://127.0.0.1:PORT of a 'chasqui network' in another process. Default: one of its own."`
}
