package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/config"
)

// line is a command line with all options, as serve and sandbox have them.
type line struct {
	config.Options `embed:""`
	config.Sandbox `embed:""`
}

func parse(t *testing.T, file *config.File, args ...string) (*line, *kong.Context) {
	t.Helper()
	var l line
	options := []kong.Option{kong.DefaultEnvars("CHASQUI"), kong.Exit(func(int) { t.Fatal("the parser wanted to exit") })}
	if file != nil {
		options = append(options, kong.Resolvers(file))
	}
	p, err := kong.New(&l, options...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := p.Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	return &l, ctx
}

func file(t *testing.T, text string) *config.File {
	t.Helper()
	f, err := config.ParseFile("chasqui.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEveryKeyIsAFlagAndAVariableOfItsName(t *testing.T) {
	_, ctx := parse(t, nil)
	flags := map[string]*kong.Flag{}
	for _, f := range ctx.Flags() {
		flags[f.Name] = f
	}
	for _, o := range config.Describe(config.Options{}, config.Sandbox{}) {
		f := flags[o.Flag]
		if f == nil {
			t.Errorf("key %s: no flag --%s", o.Key, o.Flag)
			continue
		}
		if diff := cmp.Diff(o.Envs, f.Envs); diff != "" {
			t.Errorf("key %s: variables (-described +parsed):\n%s", o.Key, diff)
		}
	}
}

func TestDefaultsAreTheContracts(t *testing.T) {
	l, _ := parse(t, nil)
	if err := l.Options.Check(); err != nil {
		t.Errorf("serve must start without any option: %v", err)
	}
	got := map[string]any{
		"listen": l.Listen, "data": l.Data, "rate_limit": l.RateLimit, "ping": time.Duration(l.WebsocketPing),
		"timeout": time.Duration(l.WebsocketTimeout), "stall": time.Duration(l.WebsocketStall), "lag": int64(l.WebsocketLagMemory),
		"base64": int64(l.MediaBase64Max), "wait": time.Duration(l.MediaWait), "memory": int64(l.MediaMemory),
		"retention": time.Duration(l.StoreRetention), "sync": l.StoreSync, "burst": l.SendBurst, "device": l.WhatsappDeviceName,
		"docs": l.Docs, "include_token": l.EventsIncludeToken,
		"webhook.timeout": time.Duration(l.WebhookTimeout), "webhook.pool": l.WebhookPool, "webhook.slow_pool": l.WebhookSlowPool,
		"webhook.schedule": l.WebhookSchedule.Std(), "webhook.retention": time.Duration(l.WebhookRetention),
		"webhook.pause_after": time.Duration(l.WebhookPauseAfter),
		"media.webhook_wait":  time.Duration(l.MediaWebhookWait), "media.retention": time.Duration(l.MediaRetention),
	}
	want := map[string]any{
		"listen": "127.0.0.1:8080", "data": "./data", "rate_limit": 100, "ping": 30 * time.Second,
		"timeout": 75 * time.Second, "stall": 30 * time.Second, "lag": int64(256 << 20),
		"base64": int64(16 << 20), "wait": 15 * time.Second, "memory": int64(128 << 20),
		"retention": 90 * 24 * time.Hour, "sync": "normal", "burst": 20, "device": "chasqui",
		"docs": true, "include_token": true,
		"webhook.timeout": 15 * time.Second, "webhook.pool": 256, "webhook.slow_pool": 64,
		"webhook.schedule": []time.Duration{
			5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute,
			30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
		},
		"webhook.retention": 14 * 24 * time.Hour, "webhook.pause_after": 5 * 24 * time.Hour,
		"media.webhook_wait": 5 * time.Minute, "media.retention": 30 * 24 * time.Hour,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestFlagBeatsVariableBeatsFile(t *testing.T) {
	f := file(t, "listen: 127.0.0.1:1\ndata: /from-file\nwebsocket:\n  ping: 5s\n")
	t.Setenv("CHASQUI_LISTEN", "127.0.0.1:2")
	t.Setenv("CHASQUI_WEBSOCKET_PING", "6s")
	l, ctx := parse(t, f, "--listen", "127.0.0.1:3")
	if l.Listen != "127.0.0.1:3" || time.Duration(l.WebsocketPing) != 6*time.Second || l.Data != "/from-file" {
		t.Errorf("listen %s, ping %s, data %s", l.Listen, time.Duration(l.WebsocketPing), l.Data)
	}
	sources := map[string]string{}
	lookup := func(k string) (string, bool) {
		return "", k == "CHASQUI_LISTEN" || k == "CHASQUI_WEBSOCKET_PING"
	}
	for _, v := range config.Explain(ctx, f, lookup) {
		sources[v.Key] = v.Source
	}
	want := map[string]string{
		"listen": "flag --listen", "websocket.ping": "environment CHASQUI_WEBSOCKET_PING",
		"data": "file chasqui.yaml", "store.sync": "default",
	}
	for key, source := range want {
		if sources[key] != source {
			t.Errorf("%s comes from %q, want %q", key, sources[key], source)
		}
	}
}

func TestPrintHidesSecrets(t *testing.T) {
	_, ctx := parse(t, nil, "--account-token", "a-very-secret-token", "--whatsapp-proxy", "http://u:p4ssw0rd@proxy.example:1")
	for _, v := range config.Explain(ctx, nil, func(string) (string, bool) { return "", false }) {
		if strings.Contains(v.Value, "secret") || strings.Contains(v.Value, "p4ss") {
			t.Errorf("%s is printed as %q", v.Key, v.Value)
		}
	}
}

func TestFileKeys(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"unknown key":        {"lisen: x", `unknown key "lisen"`},
		"unknown nested key": {"websocket:\n  pong: 1s", `unknown key "websocket.pong"`},
		"no value":           {"listen:", `key "listen" has no value`},
		"not a mapping":      {"- a", "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.ParseFile("f.yaml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	l, _ := parse(t, file(t, "websocket.ping: 7s\nallowed_origins: [https://a.example, https://b.example]"))
	if time.Duration(l.WebsocketPing) != 7*time.Second || len(l.AllowedOrigins) != 2 {
		t.Errorf("dotted keys and lists: ping %s, origins %v", time.Duration(l.WebsocketPing), l.AllowedOrigins)
	}
}

func TestCheckNamesTheKeyAndWhatIsAllowed(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"Postgres comes later":   {[]string{"--database-url", "postgres://x"}, "database_url: not available yet"},
		"NATS comes later":       {[]string{"--nats-url", "nats://x"}, "nats_url: not available yet"},
		"listen":                 {[]string{"--listen", "8080"}, "listen: must be host:port"},
		"account token":          {[]string{"--account-token", "short"}, "account_token: must be 16 to 256"},
		"encryption key":         {[]string{"--encryption-key", "abc"}, "encryption_key: must be 32 bytes"},
		"TLS halves":             {[]string{"--tls-cert", "x"}, "tls.cert: must be given together"},
		"trusted proxies":        {[]string{"--trusted-proxies", "proxy.local"}, `trusted_proxies: "proxy.local" is neither`},
		"origins":                {[]string{"--allowed-origins", "example.com"}, "allowed_origins:"},
		"negative rate":          {[]string{"--rate-limit=-1"}, "rate_limit: must not be negative"},
		"zero ping":              {[]string{"--websocket-ping", "0s"}, "websocket.ping: must be more than 0"},
		"webhook timeout":        {[]string{"--webhook-timeout", "0"}, "webhook.timeout: must be more than 0 and at most 30s"},
		"long webhook timeout":   {[]string{"--webhook-timeout", "31s"}, "webhook.timeout: must be more than 0 and at most 30s"},
		"no webhook pool":        {[]string{"--webhook-pool", "0"}, "webhook.pool: must be at least 1"},
		"no slow pool":           {[]string{"--webhook-slow-pool=-1"}, "webhook.slow_pool: must be at least 1"},
		"empty schedule":         {[]string{"--webhook-schedule", ","}, "webhook.schedule: must be pauses"},
		"zero in the schedule":   {[]string{"--webhook-schedule", "5s,0"}, "webhook.schedule: must be pauses"},
		"webhook retention":      {[]string{"--webhook-retention", "0"}, "webhook.retention: must be more than 0"},
		"pause after":            {[]string{"--webhook-pause-after", "0"}, "webhook.pause_after: must be more than 0"},
		"webhook wait":           {[]string{"--media-webhook-wait", "0"}, "media.webhook_wait: must be more than 0"},
		"version":                {[]string{"--whatsapp-version", "2"}, "whatsapp.version: must be three numbers"},
		"proxy":                  {[]string{"--whatsapp-proxy", "ftp://x"}, "whatsapp.proxy: must be"},
		"base URL":               {[]string{"--base-url", "example.com"}, "base_url: must be"},
		"allowed egress network": {[]string{"--egress-allow-networks", "10.0.0.0/99"}, "egress.allow_networks:"},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := parse(t, nil, tt.args...)
			if err := l.Options.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestScheduleIsReadFromEverySource(t *testing.T) {
	want := []time.Duration{time.Second, 2 * time.Minute, 24 * time.Hour}
	for name, l := range map[string]func() *line{
		"flag": func() *line { l, _ := parse(t, nil, "--webhook-schedule", "1s, 2m,1d"); return l },
		"file": func() *line { l, _ := parse(t, file(t, "webhook:\n  schedule: [1s, 2m, 1d]\n")); return l },
	} {
		if diff := cmp.Diff(want, l().WebhookSchedule.Std()); diff != "" {
			t.Errorf("%s: schedule (-want +got):\n%s", name, diff)
		}
	}
	_, ctx := parse(t, nil, "--webhook-schedule", "1s,2m,1d")
	for _, v := range config.Explain(ctx, nil, func(string) (string, bool) { return "", false }) {
		if v.Key == "webhook.schedule" && v.Value != "1s,2m0s,1d" {
			t.Errorf("the schedule is printed as %q", v.Value)
		}
	}
	var d config.Durations
	if err := d.UnmarshalText([]byte("5s,soon")); err == nil {
		t.Error("a schedule with a word in it is accepted")
	}
}

func TestSandboxNetworkMustBeLoopback(t *testing.T) {
	for address, ok := range map[string]bool{
		"": true, "http://127.0.0.1:9000": true, "http://localhost:9000": true, "http://[::1]:9000": true,
		"http://10.0.0.1:9000": false, "https://127.0.0.1:1": false, "127.0.0.1:9000": false, "http://example.com": false,
	} {
		if err := (&config.Sandbox{Network: address}).Check(); (err == nil) != ok {
			t.Errorf("network %q: error %v", address, err)
		}
	}
}

func TestDurationAndSizeForms(t *testing.T) {
	var d config.Duration
	for text, want := range map[string]time.Duration{"90d": 90 * 24 * time.Hour, "0": 0, "1h30m": 90 * time.Minute} {
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("duration %q = %s, %v", text, time.Duration(d), err)
		}
	}
	for _, text := range []string{"", "x", "-1s", "-1d", "5"} {
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("duration %q is accepted", text)
		}
	}
	var z config.Size
	for text, want := range map[string]int64{"16MiB": 16 << 20, "1 KiB": 1024, "7": 7, "2GiB": 2 << 30, "9B": 9} {
		if err := z.UnmarshalText([]byte(text)); err != nil || int64(z) != want {
			t.Errorf("size %q = %d, %v", text, z, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1MB", "99999999999GiB"} {
		if err := z.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q is accepted", text)
		}
	}
}
