package wa_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/wasim"
)

const (
	ownNumber = "5511999999999"
	anaNumber = "5511988887777"
	ruiNumber = "5511977776666"
)

func TestPairingByQRTellsCodesThenLogin(t *testing.T) {
	r := newRig(t)
	phone := r.net.Phone(ownNumber)
	r.open()
	r.connect()
	qr := r.signals.wait(t, instance.SignalQR)
	if len(qr.Codes) != 6 || !strings.HasPrefix(qr.Codes[0], "https://wa.me/settings/linked_devices#") {
		t.Errorf("codes = %q, want six of the library's form", qr.Codes)
	}
	device, err := phone.ScanQR(r.ctx(), qr.Codes[0])
	if err != nil {
		t.Fatalf("ScanQR: %v", err)
	}
	paired := r.signals.wait(t, instance.SignalPaired)
	if paired.Login.DeviceJID != device {
		t.Errorf("paired as %q, the phone says %q", paired.Login.DeviceJID, device)
	}
	connected := r.signals.wait(t, instance.SignalConnected)
	if connected.Login.DeviceJID != device || !strings.HasSuffix(connected.Login.LID, "@lid") {
		t.Errorf("login = %+v", connected.Login)
	}
	if _, ok := r.engine.Transport(instanceID); !ok {
		t.Error("no transport after SignalConnected")
	}
}

func TestPairingByCode(t *testing.T) {
	r := newRig(t)
	phone := r.net.Phone(ownNumber)
	r.open()
	r.connect()
	r.signals.wait(t, instance.SignalQR)
	code, err := r.client.PairPhone(r.ctx(), ownNumber)
	if err != nil {
		t.Fatalf("PairPhone: %v", err)
	}
	if len(code) != 9 || code[4] != '-' {
		t.Errorf("code = %q, want XXXX-XXXX", code)
	}
	if _, err := phone.EnterCode(r.ctx(), code); err != nil {
		t.Fatalf("EnterCode: %v", err)
	}
	r.signals.wait(t, instance.SignalPaired)
	r.signals.wait(t, instance.SignalConnected)
}

func TestPushNameArrivesAsProfile(t *testing.T) {
	r := newRig(t)
	phone, err := r.net.AddPhone(ownNumber, "Sales")
	if err != nil {
		t.Fatal(err)
	}
	phone.SetPicture([]byte("picture"))
	r.link(phone, instance.Settings{})
	r.signals.told(t, "the name and the picture", func(l instance.Login) bool {
		return l.PushName == "Sales" && l.PictureURL != ""
	})
}

// A stored login keeps the picture's address until a profile says otherwise.
func TestPictureRemovedWhileWeWereDownIsTold(t *testing.T) {
	r := newRig(t)
	phone := r.net.Phone(ownNumber)
	phone.SetPicture([]byte("picture"))
	r.link(phone, instance.Settings{})
	r.signals.told(t, "the name and the picture", func(l instance.Login) bool {
		return l.PushName != "" && l.PictureURL != ""
	})
	r.client.Close()
	phone.SetPicture(nil)
	r.signals = newSignalLog()
	r.open()
	r.connect()
	r.signals.told(t, "that there is no picture", func(l instance.Login) bool { return l.PictureURL == "" })
}

func TestStoredLoginIsResumed(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	r.restart()
	id := r.send(r.net.Phone(anaNumber), ownNumber, wasim.Message{Text: "still there?"})
	r.events.message(t, id)
}

func TestOpenOfAnUnknownLoginFails(t *testing.T) {
	r := newRig(t)
	r.spec.DeviceJID = "5511999999999:3@s.whatsapp.net"
	if _, err := r.engine.Open(r.ctx(), r.spec, r.signals.add); err == nil {
		t.Error("Open returned a client for a login that is not stored")
	}
	if err := r.engine.Forget(r.ctx(), r.spec.DeviceJID); err != nil {
		t.Errorf("Forget of an unknown device: %v", err)
	}
}

func TestForgetRemovesTheLogin(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	r.client.Close()
	if err := r.engine.Forget(r.ctx(), r.spec.DeviceJID); err != nil {
		t.Fatalf("Forget: %v", err)
	}
	if _, err := r.engine.Open(r.ctx(), r.spec, r.signals.add); err == nil {
		t.Error("the login is still stored")
	}
}

func TestLogoutUnlinksAtWhatsApp(t *testing.T) {
	r := newRig(t)
	phone := r.net.Phone(ownNumber)
	r.link(phone, instance.Settings{})
	if err := r.client.Logout(r.ctx()); err != nil {
		t.Fatalf("Logout: %v", err)
	}
	if d := phone.Devices(); len(d) != 0 {
		t.Errorf("the phone still lists %v", d)
	}
	if err := r.client.Logout(r.ctx()); err == nil {
		t.Error("a second Logout without a connection succeeded")
	}
}

func TestUnlinkFromThePhoneIsLoggedOut(t *testing.T) {
	r := newRig(t)
	phone := r.net.Phone(ownNumber)
	r.link(phone, instance.Settings{})
	if err := phone.Unlink(r.spec.DeviceJID); err != nil {
		t.Fatal(err)
	}
	if s := r.signals.wait(t, instance.SignalLoggedOut); s.OnConnect {
		t.Errorf("signal = %+v, want not OnConnect", s)
	}
}

func TestConnectionFaultsBecomeSignals(t *testing.T) {
	tests := []struct {
		fault     wasim.Fault
		reconnect bool
		want      instance.SignalKind
		check     func(instance.Signal) bool
	}{
		{fault: wasim.Fault{Kind: "drop_connection"}, want: instance.SignalDisconnected},
		{fault: wasim.Fault{Kind: "replaced"}, want: instance.SignalStreamReplaced},
		{
			fault: wasim.Fault{Kind: "stream_error", Code: 599}, want: instance.SignalStreamError,
			check: func(s instance.Signal) bool { return s.Reason == "599" },
		},
		{fault: wasim.Fault{Kind: "client_outdated"}, reconnect: true, want: instance.SignalClientOutdated},
		{
			fault: wasim.Fault{Kind: "temp_ban", Code: 104, Seconds: 3600}, reconnect: true, want: instance.SignalTempBanned,
			check: func(s instance.Signal) bool { return s.Code == 104 && s.Expires == time.Hour },
		},
	}
	for _, tt := range tests {
		t.Run(tt.fault.Kind, func(t *testing.T) {
			r := newRig(t)
			r.link(r.net.Phone(ownNumber), instance.Settings{})
			if tt.reconnect {
				r.client.Disconnect()
			}
			tt.fault.Target = ownNumber
			if err := r.net.Fault(tt.fault); err != nil {
				t.Fatal(err)
			}
			if tt.reconnect {
				r.connect()
			}
			if s := r.signals.wait(t, tt.want); tt.check != nil && !tt.check(s) {
				t.Errorf("signal = %+v", s)
			}
		})
	}
}

func TestConnectFailsWhileTheServerIsDown(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	r.client.Disconnect()
	if err := r.net.Fault(wasim.Fault{Kind: "server_down", Seconds: 60}); err != nil {
		t.Fatal(err)
	}
	if err := r.client.Connect(r.ctx()); err == nil {
		t.Error("Connect succeeded")
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	r := newRig(t)
	r.open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.client.Connect(ctx); err == nil {
		t.Error("Connect with a dead context succeeded")
	}
	r.connect()
	r.signals.wait(t, instance.SignalQR)
}

func TestNoSignalAfterDisconnect(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	r.client.Disconnect()
	before := len(r.signals.kinds())
	if err := r.net.Fault(wasim.Fault{Kind: "logged_out", Target: ownNumber}); err != nil {
		t.Fatal(err)
	}
	r.client.Close()
	if got := r.signals.kinds(); len(got) != before {
		t.Errorf("signals after Disconnect: %v", got[before:])
	}
}

// Simulated phones share app state keys with a new device, a peer message.
func TestPhoneIsSeenByItsPeerMessages(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	var seen instance.Signal
	poll(t, "a sign of life", func() (ok bool) {
		seen, ok = r.signals.find(instance.SignalPhoneSeen)
		return ok
	})
	if age := time.Since(seen.At); age > time.Minute || age < -time.Minute {
		t.Errorf("seen at %v", seen.At)
	}
}

func TestAskPhoneIsAnswered(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	r.signals.profile(t)
	if err := r.client.AskPhone(r.ctx()); err != nil {
		t.Errorf("AskPhone: %v", err)
	}
}

func TestPinnedVersionIsAnnounced(t *testing.T) {
	r := newRig(t, func(o *wa.Options) { o.Version = "2.3000.77" })
	if got := r.engine.WebVersion(); got != "2.3000.77" {
		t.Errorf("WebVersion = %s", got)
	}
	if _, err := wa.NewEngine(r.devices, r.events, wa.Options{HTTPClient: r.net.HTTPClient, Version: "newest"}); err == nil {
		t.Error("a malformed version was taken")
	}
}

// A server that accepts and says nothing must not hold up the supervisor or the
// API.
func TestDisconnectEndsADial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			accepted <- conn
		}
	}()
	defer listener.Close()
	r := newRig(t, func(o *wa.Options) {
		o.HTTPClient = func() *http.Client { return wasim.HTTPClient("http://" + listener.Addr().String()) }
	})
	r.open()
	done := make(chan error, 1)
	go func() { done <- r.client.Connect(r.ctx()) }()
	conn := <-accepted
	defer conn.Close()
	started := time.Now()
	if _, ok := r.engine.Transport(instanceID); ok {
		t.Error("a transport while dialling")
	}
	r.client.Disconnect()
	if err := <-done; err == nil {
		t.Error("Connect succeeded")
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("Disconnect took %v", took)
	}
}

// A dial that waits for WhatsApp's handshake must not hold up a stop: cut off
// there, the library would wait 20 s for an answer that cannot come.
func TestDisconnectDuringTheHandshake(t *testing.T) {
	network := wasim.Start(t)
	line := newSlowLine(t, network.URL())
	r := newRigOn(t, network, func(o *wa.Options) {
		o.HTTPClient = func() *http.Client { return wasim.HTTPClient(line.url) }
	})
	r.open()
	done := make(chan error, 1)
	go func() { done <- r.client.Connect(r.ctx()) }()
	<-line.handshake
	started := time.Now()
	answer := time.AfterFunc(100*time.Millisecond, func() { close(line.release) })
	defer answer.Stop()
	r.client.Disconnect()
	<-done
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("Disconnect took %v", took)
	}
}

// slowLine passes bytes to a server and back, but keeps what the server says
// after the upgrade, its handshake, until release is closed.
type slowLine struct {
	url       string
	handshake chan struct{} // closed when the server has answered
	release   chan struct{}
}

func newSlowLine(t *testing.T, server string) *slowLine {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &slowLine{url: "http://" + listener.Addr().String(), handshake: make(chan struct{}), release: make(chan struct{})}
	var work sync.WaitGroup
	work.Go(func() {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
		if err != nil {
			t.Error(err)
			return
		}
		work.Go(func() {
			_, _ = io.Copy(up, client)
			_ = up.Close()
		})
		l.answer(client, up)
		_ = client.Close()
	})
	t.Cleanup(func() {
		_ = listener.Close()
		work.Wait()
	})
	return l
}

// answer copies what the server says, in two parts.
func (l *slowLine) answer(client io.Writer, up io.Reader) {
	b := make([]byte, 64<<10)
	for part := 0; ; part++ {
		n, err := up.Read(b)
		if err != nil {
			return
		}
		if part == 1 {
			close(l.handshake)
			<-l.release
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}
