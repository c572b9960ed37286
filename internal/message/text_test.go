package message_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/message"
)

func TestSendText(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		got, err := s.SendText(t.Context(), instance, message.Text{
			Number: devTeam, Message: "Hi @" + rui, Mention: []string{rui}, ReplyTo: "group",
		})
		if err != nil {
			t.Fatal(err)
		}
		want := message.Answer{
			ID: "3EB00001", Type: "text", Content: "Hi @" + rui, Timestamp: time.Now(), Source: "api",
			Chat:     message.Recipient{JID: devTeam, Type: event.ChatGroup, Name: "Dev Team"},
			Sender:   message.Recipient{JID: ourself, LID: "1234567890@lid", Type: event.ChatPrivate},
			Mentions: []string{ruiJID}, ReplyTo: "group",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("answer (-want +got):\n%s", d)
		}
		quote := stored["group"]
		out := message.Outgoing{
			ID: "3EB00001", To: want.Chat, Text: want.Content, Mentions: want.Mentions, Quote: &quote, Source: "api",
		}
		if d := cmp.Diff([]message.Outgoing{out}, w.sent); d != "" {
			t.Errorf("sent (-want +got):\n%s", d)
		}
	})
}

// rest.md 3.1 to 3.3 and 1.4: the fields of text and their errors.
func TestTextValidation(t *testing.T) {
	tests := map[string]struct {
		text message.Text
		want string // "" = sent
	}{
		"number missing":     {message.Text{Message: "x"}, "Number is required"},
		"number blank":       {message.Text{Number: " ", Message: "x"}, "Number is required"},
		"number too short":   {text("123456"), "Invalid number"},
		"number too long":    {text("1234567890123456"), "Invalid number"},
		"number with text":   {text("call me"), "Invalid number"},
		"status is no chat":  {text("status@broadcast"), "Invalid number"},
		"not registered":     {text("4915112345678"), "Number is not registered on WhatsApp"},
		"message missing":    {message.Text{Number: ana}, "Message is required"},
		"message blank":      {message.Text{Number: ana, Message: " \n"}, "Message is required"},
		"message too long":   {message.Text{Number: ana, Message: long(65537)}, "Invalid message"},
		"message at limit":   {message.Text{Number: ana, Message: long(65536)}, ""},
		"source too long":    {message.Text{Number: ana, Message: "x", Source: long(65)}, "Invalid source"},
		"source at limit":    {message.Text{Number: ana, Message: "x", Source: long(64)}, ""},
		"negative delay":     {message.Text{Number: ana, Message: "x", Delay: -1}, "Invalid delay"},
		"unknown reply":      {message.Text{Number: ana, Message: "x", ReplyTo: "gone"}, "Reply message not found"},
		"bad mention":        {message.Text{Number: devTeam, Message: "x", Mention: []string{"nobody"}}, "Invalid mention"},
		"mention of a group": {message.Text{Number: devTeam, Message: "x", Mention: []string{devTeam}}, "Invalid mention"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
				_, err := s.SendText(t.Context(), instance, tt.text)
				if tt.want == "" {
					if err != nil || len(w.sent) != 1 {
						t.Errorf("not sent: %v", err)
					}
					return
				}
				wantFault(t, err, fault.Invalid, tt.want)
				if len(w.sent) != 0 {
					t.Error("sent all the same")
				}
			})
		})
	}
}

// rest.md 1.8.
func TestRecipients(t *testing.T) {
	private := message.Recipient{JID: anaJID, LID: anaLID, Type: event.ChatPrivate}
	tests := map[string]struct {
		number string
		want   message.Recipient
	}{
		"as people write it":  {"+55 (11) 98888-7777", private},
		"JID":                 {anaJID, private},
		"legacy JID":          {ana + "@c.us", private},
		"device dropped":      {ana + ":3@s.whatsapp.net", private},
		"without ninth digit": {"551188887777", private},
		"LID":                 {anaLID, private},
		"group":               {devTeam, message.Recipient{JID: devTeam, Type: event.ChatGroup, Name: "Dev Team"}},
		"newsletter":          {"120363@newsletter", message.Recipient{JID: "120363@newsletter", Type: event.ChatNewsletter}},
		"unknown LID":         {"42@lid", message.Recipient{LID: "42@lid", Type: event.ChatPrivate}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, message.Options{}, func(t *testing.T, _ *wire, s *message.Service) {
				got, err := s.SendText(t.Context(), instance, text(tt.number))
				if d := cmp.Diff(tt.want, got.Chat); d != "" || err != nil {
					t.Errorf("%v (-want +got):\n%s", err, d)
				}
			})
		})
	}
}

func TestSendToAnUnknownGroup(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, _ *wire, s *message.Service) {
		_, err := s.SendText(t.Context(), instance, text("1@g.us"))
		wantFault(t, err, fault.NotFound, "Group not found or you are not a member of this group")
	})
}

// rest.md 1.8: both Brazilian forms are asked for; the registered one wins, the
// given one on a tie; the answer is kept for 24 hours.
func TestBrazilianNinthDigit(t *testing.T) {
	const short, full = "551188887777", ana
	tests := map[string]struct {
		known []string
		given string
		want  string
	}{
		"only the short one": {[]string{short}, full, short},
		"only the full one":  {[]string{full}, short, full},
		"both, short given":  {[]string{full, short}, short, short},
		"both, full given":   {[]string{full, short}, full, full},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
				w.known = tt.known
				got, err := s.SendText(t.Context(), instance, text(tt.given))
				if err != nil || got.Chat.JID != tt.want+"@s.whatsapp.net" {
					t.Errorf("sent to %s, %v; want %s", got.Chat.JID, err, tt.want)
				}
				if len(w.lookups) != 1 || len(w.lookups[0]) != 2 || w.lookups[0][0] != tt.given {
					t.Errorf("asked for %v", w.lookups)
				}
			})
		})
	}
}

func TestNumbersAreRememberedFor24Hours(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		send := func(instanceID, number string, lookups int) {
			t.Helper()
			_, _ = s.SendText(t.Context(), instanceID, text(number))
			if len(w.lookups) != lookups {
				t.Errorf("%d look-ups, want %d", len(w.lookups), lookups)
			}
		}
		send(instance, ana, 1)
		<-time.After(24*time.Hour - time.Second)
		send(instance, ana, 1)
		send("id-2", ana, 2)
		<-time.After(time.Second)
		send(instance, ana, 3)
		send(instance, "4915112345678", 4)
		send(instance, "4915112345678", 5) // somebody may have joined
	})
}

// rest.md 3.1: replyPrivate goes to the author of a group message, with the quote.
func TestReplyPrivate(t *testing.T) {
	tests := map[string]struct{ replyTo, want string }{
		"of a group message":        {"group", ruiJID},
		"author known by LID":       {"hidden", anaJID},
		"ignored in private":        {"private", devTeam},
		"ignored for our own":       {"ours", devTeam},
		"ignored without a replyTo": {"", devTeam},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
				got, err := s.SendText(t.Context(), instance, message.Text{
					Number: devTeam, Message: "x", ReplyTo: tt.replyTo, ReplyPrivate: true,
				})
				if err != nil || got.Chat.JID != tt.want || got.ReplyTo != tt.replyTo {
					t.Errorf("sent to %s as reply to %q, %v", got.Chat.JID, got.ReplyTo, err)
				}
			})
		})
	}
}

// rest.md 3.1: mention takes numbers or JIDs, mentionAll every member; both in
// groups only.
func TestMentions(t *testing.T) {
	const member = "551188887777@s.whatsapp.net"
	tests := map[string]struct {
		number string
		names  []string
		all    bool
		want   []string
	}{
		"numbers and JIDs": {devTeam, []string{"+351 911 222 333", anaLID, ruiJID}, false, []string{ruiJID, anaLID}},
		"form of a member": {devTeam, []string{ana}, false, []string{member}},
		"not a member":     {devTeam, []string{"5511977776666"}, false, []string{"5511977776666@s.whatsapp.net"}},
		"all":              {devTeam, []string{ana}, true, []string{member, ruiJID, anaLID}},
		"private: ignored": {ana, []string{rui}, true, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
				got, err := s.SendText(t.Context(), instance, message.Text{
					Number: tt.number, Message: "x", Mention: tt.names, MentionAll: tt.all,
				})
				if d := cmp.Diff(tt.want, got.Mentions); d != "" || err != nil {
					t.Errorf("%v (-want +got):\n%s", err, d)
				}
				if d := cmp.Diff(tt.want, w.sent[0].Mentions); d != "" {
					t.Errorf("on the wire (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestDelayIsCutAt30Seconds(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		for _, delay := range []int{0, 30, 31} {
			if _, err := s.SendText(t.Context(), instance, message.Text{Number: ana, Message: "x", Delay: delay}); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range []time.Duration{0, 30 * time.Second, 30 * time.Second} {
			if got := w.sent[i].TypingTime; got != want {
				t.Errorf("typing for %v, want %v", got, want)
			}
		}
	})
}

// rest.md 3.2: linkPreview is of the first URL; a failed one never fails the send.
func TestLinkPreview(t *testing.T) {
	tests := map[string]struct {
		text  string
		asked bool
		err   error
		want  string
	}{
		"first of two":     {"see https://a.example/x?y=1, and http://b.example", true, nil, "https://a.example/x?y=1"},
		"end of sentence":  {"(see https://a.example/x).", true, nil, "https://a.example/x"},
		"not asked for":    {"https://a.example", false, nil, ""},
		"no link":          {"ftp://a.example", true, nil, ""},
		"failing previews": {"https://a.example", true, errors.New("down"), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWire()
			s := message.NewService(stored, w, previews{tt.err}, message.Options{})
			if _, err := s.SendText(t.Context(), instance, message.Text{Number: ana, Message: tt.text, LinkPreview: tt.asked}); err != nil {
				t.Fatal(err)
			}
			got := ""
			if p := w.sent[0].Preview; p != nil {
				got = p.URL
			}
			if got != tt.want {
				t.Errorf("preview of %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAGivenMessageIDIsUsed(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		got, err := s.SendText(t.Context(), instance, message.Text{ID: "3EB0FIXED", Number: ana, Message: "x", Source: "crm"})
		if err != nil || got.ID != "3EB0FIXED" || w.sent[0].ID != got.ID || got.Source != "crm" {
			t.Errorf("id %q, source %q, %v", got.ID, got.Source, err)
		}
	})
}

// rest.md 1.4: the connection is looked at after the body.
func TestNotConnected(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		w.offline = true
		_, err := s.SendText(t.Context(), instance, text(ana))
		wantFault(t, err, fault.Unavailable, "Instance is not connected to WhatsApp")
		_, err = s.SendText(t.Context(), instance, message.Text{Number: ana})
		wantFault(t, err, fault.Invalid, "Message is required")
	})
}

func TestSendErrors(t *testing.T) {
	adminOnly := fault.New(fault.Forbidden, "Not authorized to send messages to this group (must be admin)")
	tests := map[string]struct {
		err  error
		kind fault.Kind
		want string
	}{
		"fault":   {adminOnly, fault.Forbidden, adminOnly.Message},
		"unknown": {errors.New("secret"), fault.Internal, "Failed to send message: internal error"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
				w.send = func(context.Context, message.Outgoing) (message.Sent, error) { return message.Sent{}, tt.err }
				_, err := s.SendText(t.Context(), instance, text(ana))
				wantFault(t, err, tt.kind, tt.want)
			})
		})
	}
}

func TestFailedLookupsSayNoSecrets(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		w.failing = errors.New("secret")
		_, err := s.SendText(t.Context(), instance, text(ana))
		wantFault(t, err, fault.Internal, "Failed to send message: internal error")
		w.failing = fault.WhatsAppThrottled()
		_, err = s.SendText(t.Context(), instance, text(ana))
		wantFault(t, err, fault.RateLimited, "WhatsApp rate limit reached. Try again later.")
		_, err = s.SendText(t.Context(), instance, message.Text{Number: ana, Message: "x", ReplyTo: "broken"})
		wantFault(t, err, fault.Internal, "Failed to send message: internal error")
	})
}

// rest.md 3.1: no answer within 75 s, with messageId in details.
func TestNoAnswerFromWhatsApp(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		w.send = func(ctx context.Context, _ message.Outgoing) (message.Sent, error) {
			<-ctx.Done()
			return message.Sent{}, ctx.Err()
		}
		start := time.Now()
		_, err := s.SendText(t.Context(), instance, message.Text{Number: ana, Message: "x", Delay: 5})
		wantFault(t, err, fault.Internal, "Failed to send message: timed out waiting for WhatsApp")
		var f *fault.Error
		if !errors.As(err, &f) || len(f.Details) != 1 || f.Details[0] != (fault.Detail{Field: "messageId", Reason: "3EB00001"}) {
			t.Errorf("details = %+v", f)
		}
		if took := time.Since(start); took != 80*time.Second {
			t.Errorf("waited %v, want 75 s and the delay", took)
		}
	})
}

// rest.md 3.1: a caller that hangs up does not stop a send; Stop waits for it.
func TestACallerThatHangsUpDoesNotStopASend(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		arrived := false
		w.send = func(ctx context.Context, m message.Outgoing) (message.Sent, error) {
			select {
			case <-time.After(4 * time.Second):
				arrived = true
				return message.Sent{ID: m.ID}, nil
			case <-ctx.Done():
				return message.Sent{}, ctx.Err()
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := s.SendText(ctx, instance, text(ana)); err == nil || time.Since(start) != time.Second {
			t.Errorf("returned %v after %v", err, time.Since(start))
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if !arrived || time.Since(start) != 4*time.Second {
			t.Errorf("arrived: %v; Stop returned after %v", arrived, time.Since(start))
		}
		_, err := s.SendText(t.Context(), instance, text(ana))
		wantFault(t, err, fault.Unavailable, "Server is shutting down")
	})
}

// cli.md: SIGTERM stops cleanly within 15 s, also when a message shows typing
// for longer.
func TestDrainEndsASendThatTakesLong(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		w.send = func(ctx context.Context, m message.Outgoing) (message.Sent, error) {
			select {
			case <-time.After(m.TypingTime):
				return message.Sent{ID: m.ID}, nil
			case <-ctx.Done():
				return message.Sent{}, ctx.Err()
			}
		}
		done := make(chan error, 1)
		go func() {
			_, err := s.SendText(t.Context(), instance, message.Text{Number: ana, Message: "x", Delay: 30})
			done <- err
		}()
		synctest.Wait()
		start := time.Now()
		s.Drain()
		s.Drain()
		wantFault(t, <-done, fault.Unavailable, "Server is shutting down")
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestStopWaitsNoLongerThanItsContext(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		w.send = func(context.Context, message.Outgoing) (message.Sent, error) {
			<-time.After(time.Minute)
			return message.Sent{}, nil
		}
		go func() { _, _ = s.SendText(t.Context(), instance, text(ana)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop = %v", err)
		}
	})
}
