package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chasqui/chasqui/internal/control"
	"github.com/chasqui/chasqui/internal/proctest"
)

const token = "benchmark-account-token"

type object = map[string]any

// world is a gateway and the network that it speaks to. network is where the
// people are played: the network's own process, or the gateway itself.
type world struct {
	b       *testing.B
	network *proctest.Process
	gateway *proctest.Process
	data    string
}

// start runs the network in a process of its own.
func start(b *testing.B) *world {
	b.Helper()
	w := &world{b: b, network: proctest.Start(b, "network"), data: shortDir(b)}
	w.gateway = w.sandbox("--network", w.network.URL)
	return w
}

// startSandbox runs the gateway and its network in one process, as chasqui
// sandbox does by default.
func startSandbox(b *testing.B) *world {
	b.Helper()
	w := &world{b: b, data: shortDir(b)}
	w.gateway = w.sandbox()
	w.network = w.gateway
	return w
}

func (w *world) sandbox(more ...string) *proctest.Process {
	w.b.Helper()
	args := []string{"sandbox", "--data", w.data, "--listen", "127.0.0.1:0", "--account-token", token, "--rate-limit", "0", "--log-format", "json"}
	return proctest.Start(w.b, append(args, more...)...)
}

// shortDir makes a folder whose path leaves room for the control socket.
func shortDir(b *testing.B) string {
	dir, err := os.MkdirTemp("", "chasqui-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) }) // temporary: the system clears what is left
	return dir
}

func number(i int) string { return fmt.Sprintf("55119%08d", i) }

func (w *world) create(i int) string {
	name := fmt.Sprintf("bench%d", i)
	w.gateway.Do("POST", "/api/instance/new", token, object{"name": name, "websocketEnabled": true}, nil)
	return name
}

// link pairs the instance with the phone of number i and waits until it is
// connected.
func (w *world) link(name string, i int) {
	var qr struct {
		QRCode string `json:"qrCode"`
	}
	w.gateway.Do("GET", "/api/instance/connect/"+name, token, nil, &qr)
	w.network.Do("POST", "/sandbox/phones/"+number(i)+"/scan", token, object{"qrCode": qr.QRCode}, nil)
	w.waitConnected(name)
}

func (w *world) waitConnected(name string) {
	deadline := time.Now().Add(time.Minute)
	for {
		var list struct {
			Instances []struct {
				Status string `json:"status"`
			} `json:"instances"`
		}
		w.gateway.Do("GET", "/api/instance/list?instanceName="+name, token, nil, &list)
		if list.Instances[0].Status == "connected" {
			return
		}
		if time.Now().After(deadline) {
			w.b.Fatalf("%s is %s", name, list.Instances[0].Status)
		}
		<-time.After(500 * time.Microsecond)
	}
}

func (w *world) addPhone(i int) {
	w.network.Do("POST", "/sandbox/phones", token, object{"number": number(i), "name": "Phone " + strconv.Itoa(i)}, nil)
}

// listener is a WebSocket client that notes when each message arrived.
type listener struct {
	conn    *websocket.Conn
	done    chan struct{}
	mu      sync.Mutex // guards arrived, order
	arrived map[string]time.Time
	order   []string
}

func (w *world) listen(name string) *listener {
	w.b.Helper()
	url := "ws" + strings.TrimPrefix(w.gateway.URL, "http") + "/ws/" + name
	conn, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{HTTPHeader: http.Header{"Token": {token}}})
	if err != nil {
		w.b.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	l := &listener{conn: conn, done: make(chan struct{}), arrived: map[string]time.Time{}}
	go l.read()
	w.b.Cleanup(func() {
		_ = conn.CloseNow()
		<-l.done
	})
	return l
}

func (l *listener) read() {
	defer close(l.done)
	for {
		_, frame, err := l.conn.Read(context.Background())
		at := time.Now()
		if err != nil {
			return
		}
		var e struct {
			Event string `json:"event"`
			Data  struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		if json.Unmarshal(frame, &e) != nil || e.Event != "message.exchange" {
			continue
		}
		l.mu.Lock()
		l.arrived[e.Data.ID] = at
		l.order = append(l.order, e.Data.ID)
		l.mu.Unlock()
	}
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.order)
}

// sentMessage is one line of the answer of /sandbox/load.
type sentMessage struct {
	ID string    `json:"id"`
	To string    `json:"to"`
	At time.Time `json:"at"`
}

func (w *world) load(from, to []string, rate, seconds int) []sentMessage {
	var answer struct {
		Sent     int           `json:"sent"`
		Messages []sentMessage `json:"messages"`
	}
	body := object{"from": from, "to": to, "rate": rate, "seconds": seconds, "kind": "text", "size": 200}
	w.network.Do("POST", "/sandbox/load", token, body, &answer)
	if answer.Sent != len(answer.Messages) {
		w.b.Fatalf("the network sent %d messages and lists %d", answer.Sent, len(answer.Messages))
	}
	return answer.Messages
}

// settle waits until the listeners together have n messages.
func (w *world) settle(n int, listeners ...*listener) {
	w.b.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got := 0
		for _, l := range listeners {
			got += l.count()
		}
		if got >= n {
			return
		}
		if time.Now().After(deadline) {
			w.b.Errorf("%d of %d messages arrived", got, n)
			return
		}
		<-time.After(5 * time.Millisecond)
	}
}

func percentile(sorted []time.Duration, p float64) float64 {
	i := min(int(float64(len(sorted))*p), len(sorted)-1)
	return float64(sorted[i]) / float64(time.Millisecond)
}

// BenchmarkPairAndConnect: from asking for a QR code until the instance is
// connected. Goal: 50 ms median.
func BenchmarkPairAndConnect(b *testing.B) {
	w := startSandbox(b)
	var took []time.Duration
	for b.Loop() {
		i := len(took) + 1
		name := w.create(i)
		w.addPhone(i)
		begin := time.Now()
		w.link(name, i)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(percentile(took, 0.5), "ms-median")
	b.ReportMetric(percentile(took, 0.99), "ms-p99")
}

// BenchmarkIdleInstances: resident memory of the gateway with 1,000 linked,
// connected, idle instances less that with none, each after garbage collection,
// divided by 1,000. Goal: 400 KiB.
func BenchmarkIdleInstances(b *testing.B) {
	const instances = 1000
	for b.Loop() {
		w := start(b)
		before := w.resident()
		for i := range instances {
			w.addPhone(i)
			w.link(w.create(i), i)
		}
		after := w.resident()
		b.ReportMetric(float64(after-before)/instances, "KiB/instance")
		b.ReportMetric(float64(before), "KiB-empty")
	}
}

// resident collects garbage in the gateway and returns its RSS in KiB.
func (w *world) resident() int {
	w.b.Helper()
	client, err := control.Dial(context.Background(), w.data)
	if err != nil {
		w.b.Fatal(err)
	}
	defer client.Close()
	if err := client.FreeMemory(context.Background()); err != nil {
		w.b.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.gateway.PID()))
	if err != nil {
		w.b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		w.b.Fatal(err)
	}
	return kib
}

// BenchmarkReceive: from the simulated server's receipt of a message to its
// frame at the WebSocket client, 200 messages/s of 200 bytes over 20 instances
// for 60 s. Goal: p50 3 ms, p99 15 ms.
func BenchmarkReceive(b *testing.B) {
	const instances, rate, rounds, seconds = 20, 200, 2, 30
	for b.Loop() {
		w := start(b)
		var to []string
		var listeners []*listener
		for i := range instances {
			w.addPhone(i)
			name := w.create(i)
			w.link(name, i)
			to = append(to, number(i))
			listeners = append(listeners, w.listen(name))
		}
		w.addPhone(9999)
		from := []string{number(9999)}
		w.load(from, to, rate, 1) // sessions are made once, before measuring
		var sent []sentMessage
		m := watchMachine()
		for range rounds {
			sent = append(sent, w.load(from, to, rate, seconds)...)
		}
		w.settle(len(sent)+rate, listeners...)
		m.end(b)
		report(b, sent, listeners)
		reportCalm(b, m, sent, listeners)
	}
}

// report gives the latencies of what was sent and what never arrived.
func report(b *testing.B, sent []sentMessage, listeners []*listener) {
	took := latencies(sent, listeners)
	b.ReportMetric(percentile(took, 0.5), "ms-p50")
	b.ReportMetric(percentile(took, 0.99), "ms-p99")
	b.ReportMetric(float64(len(sent)), "sent")
	b.ReportMetric(float64(len(sent)-len(took)), "lost")
}

// reportCalm gives the latencies of what was sent while the hypervisor took
// nothing away from this machine.
func reportCalm(b *testing.B, m *machine, sent []sentMessage, listeners []*listener) {
	calm := slices.DeleteFunc(slices.Clone(sent), func(s sentMessage) bool { return !m.undisturbed(s.At) })
	b.ReportMetric(float64(len(calm)), "calm-sent")
	if took := latencies(calm, listeners); len(took) > 0 {
		b.ReportMetric(percentile(took, 0.5), "ms-calm-p50")
		b.ReportMetric(percentile(took, 0.99), "ms-calm-p99")
	}
}

// latencies are the times from sent to arrived, in order, of all that arrived.
func latencies(sent []sentMessage, listeners []*listener) []time.Duration {
	arrived := map[string]time.Time{}
	for _, l := range listeners {
		l.mu.Lock()
		for id, at := range l.arrived {
			arrived[id] = at
		}
		l.mu.Unlock()
	}
	var took []time.Duration
	for _, m := range sent {
		if at, ok := arrived[m.ID]; ok {
			took = append(took, at.Sub(m.At))
		}
	}
	slices.Sort(took)
	return took
}

// BenchmarkOneInstance: 400 messages/s into one instance for 60 s. Goal: none
// lost, none out of order.
func BenchmarkOneInstance(b *testing.B) {
	const rate, rounds, seconds = 400, 3, 20
	for b.Loop() {
		w := start(b)
		w.addPhone(0)
		w.addPhone(1)
		name := w.create(0)
		w.link(name, 0)
		l := w.listen(name)
		var sent []sentMessage
		begin := time.Now()
		for range rounds {
			sent = append(sent, w.load([]string{number(1)}, []string{number(0)}, rate, seconds)...)
		}
		b.ReportMetric(float64(len(sent))/time.Since(begin).Seconds(), "sent/s")
		w.settle(len(sent), l)
		report(b, sent, []*listener{l})
		b.ReportMetric(float64(disorder(sent, l)), "reordered")
	}
}

// disorder counts the messages that arrived after one that was sent later.
func disorder(sent []sentMessage, l *listener) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	rank := make(map[string]int, len(sent))
	for i, m := range sent {
		rank[m.ID] = i
	}
	n, highest := 0, -1
	for _, id := range l.order {
		if rank[id] < highest {
			n++
		}
		highest = max(highest, rank[id])
	}
	return n
}
