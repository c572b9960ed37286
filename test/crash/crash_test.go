// Package crash_test kills the real gateway in the middle of its work and
// counts what is left.
package crash_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/chasqui/chasqui/internal/proctest"
)

const (
	token = "crash-test-account-token"
	owner = "5511900000001"
	kills = 50
)

type object = map[string]any

// load is the answer of /sandbox/load.
type load struct {
	Sent     int `json:"sent"`
	Messages []struct {
		ID string `json:"id"`
	} `json:"messages"`
}

func gateway(t *testing.T, network, data string) *proctest.Process {
	t.Helper()
	return proctest.Start(t, "sandbox", "--network", network, "--data", data, "--listen", "127.0.0.1:0",
		"--account-token", token, "--rate-limit", "0", "--log-format", "json")
}

// TestKillLosesNoMessage: contract/events.md section 5, Durable. Two people
// write to one instance without pause while the gateway is killed again and
// again; afterwards every message that was sent is stored exactly once, and a
// webhook receiver has each at least once, in order.
func TestKillLosesNoMessage(t *testing.T) {
	network := proctest.Start(t, "network")
	data := t.TempDir()
	g := gateway(t, network.URL, data)
	link(t, g)
	hook := newReceiver(t)
	g.Do("POST", "/api/events/webhook/sales", token,
		object{"enabled": true, "url": hook.URL, "events": []string{"message.exchange"}}, nil)

	senders := []string{"5511900000002", "5511900000003"}
	for _, s := range senders {
		network.Do("POST", "/sandbox/phones", "", object{"number": s, "name": s}, nil)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	var sent []string
	go func() { // ends with the test's last round, which waits for it
		defer close(done)
		sent = stream(t, network, senders, stop)
	}()
	for range kills {
		waitConnected(t, g)
		pause(150*time.Millisecond + rand.N(450*time.Millisecond))
		g.Kill()
		g = gateway(t, network.URL, data)
	}
	close(stop)
	<-done
	waitConnected(t, g)
	if len(sent) < kills {
		t.Fatalf("only %d messages were sent during %d kills", len(sent), kills)
	}
	stored := waitStored(t, filepath.Join(data, "chasqui.db"), len(sent))
	eventually(t, func() bool { return hook.missing(sent) == 0 },
		func() string {
			return fmt.Sprintf("%d of %d messages were not delivered", hook.missing(sent), len(sent))
		})
	g.Terminate()
	hook.check(t, sent)
	for _, id := range sent {
		if n := stored[id]; n != 1 {
			t.Errorf("message %s is stored %d times", id, n)
		}
	}
	t.Logf("%d kills, %d messages sent, %d stored", kills, len(sent), len(stored))
}

// stream sends 100 messages a second in short loads until stop closes, and
// returns their ids.
func stream(t *testing.T, network *proctest.Process, from []string, stop <-chan struct{}) []string {
	var ids []string
	for {
		select {
		case <-stop:
			return ids
		default:
		}
		var l load
		body := object{"from": from, "to": []string{owner}, "rate": 100, "seconds": 1, "kind": "text", "size": 200}
		if err := network.Try("POST", "/sandbox/load", "", body, &l); err != nil {
			t.Errorf("load: %v", err)
			return ids
		}
		for _, m := range l.Messages {
			ids = append(ids, m.ID)
		}
	}
}

func link(t *testing.T, g *proctest.Process) {
	t.Helper()
	g.Do("POST", "/api/instance/new", token, object{"name": "sales"}, nil)
	g.Do("POST", "/sandbox/phones", token, object{"number": owner, "name": "Olga"}, nil)
	g.Do("GET", "/api/instance/connect/sales", token, nil, nil)
	g.Do("POST", "/sandbox/phones/"+owner+"/scan", token, object{"instance": "sales"}, nil)
}

func waitConnected(t *testing.T, g *proctest.Process) {
	t.Helper()
	state := ""
	eventually(t, func() bool {
		var list struct {
			Instances []struct {
				Status string `json:"status"`
			} `json:"instances"`
		}
		g.Do("GET", "/api/instance/list", token, nil, &list)
		state = list.Instances[0].Status
		return state == "connected"
	}, func() string { return "the instance is " + state })
}

// waitStored waits until the database holds as many messages as were sent, and
// returns how often each is stored.
func waitStored(t *testing.T, path string, want int) map[string]int {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var stored map[string]int
	eventually(t, func() bool {
		stored = ids(t, db)
		return len(stored) >= want
	}, func() string { return fmt.Sprintf("%d of %d messages are stored", len(stored), want) })
	return stored
}

func ids(t *testing.T, db *sql.DB) map[string]int {
	t.Helper()
	rows, err := db.Query("SELECT message_id FROM messages")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		out[id]++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func eventually(t *testing.T, ok func() bool, waiting func() string) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("gave up: " + waiting())
		}
		pause(10 * time.Millisecond)
	}
}

// pause lets time pass while a stream runs: here the passing of time is what is
// tested.
func pause(d time.Duration) { <-time.After(d) }
