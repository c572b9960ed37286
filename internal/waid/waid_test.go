package waid_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/waid"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		want      waid.JID
		canonical string
	}{
		"5511999999999@s.whatsapp.net":    {waid.JID{User: "5511999999999", Server: waid.ServerUser}, ""},
		"5511999999999:12@s.whatsapp.net": {waid.JID{User: "5511999999999", Device: 12, Server: waid.ServerUser}, ""},
		"5511999999999@c.us":              {waid.JID{User: "5511999999999", Server: waid.ServerUser}, "5511999999999@s.whatsapp.net"},
		"100200300:0@lid":                 {waid.JID{User: "100200300", Server: waid.ServerLID}, "100200300@lid"},
		"120363000000000001@g.us":         {waid.JID{User: "120363000000000001", Server: waid.ServerGroup}, ""},
		"status@broadcast":                {waid.Status, ""},
	}
	for in, tt := range tests {
		got, err := waid.Parse(in)
		if err != nil {
			t.Errorf("Parse(%q): %v", in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", in, diff)
		}
		want := tt.canonical
		if want == "" {
			want = in
		}
		if got.String() != want {
			t.Errorf("Parse(%q).String() = %q, want %q", in, got, want)
		}
	}
}

func TestParseMalformed(t *testing.T) {
	for _, in := range []string{
		"", "@", "5511999999999", "@s.whatsapp.net", "5511999999999@", "1@a@b", "1:@lid", "1:+2@lid",
		"1:65536@lid", "1:2:3@lid", "a b@lid", "1@LID", "1@l_d", ":1@lid",
	} {
		if got, err := waid.Parse(in); !errors.Is(err, waid.ErrMalformed) {
			t.Errorf("Parse(%q) = %v, %v; want ErrMalformed", in, got, err)
		}
	}
}

func TestKinds(t *testing.T) {
	kinds := map[string]func(waid.JID) bool{
		"user": waid.JID.IsUser, "lid": waid.JID.IsLID, "group": waid.JID.IsGroup,
		"newsletter": waid.JID.IsNewsletter, "status": waid.JID.IsStatus,
	}
	tests := map[string]string{
		"1@s.whatsapp.net": "user",
		"1@lid":            "lid",
		"1-2@g.us":         "group",
		"1@newsletter":     "newsletter",
		"status@broadcast": "status",
		"1@broadcast":      "",
	}
	for in, want := range tests {
		j, err := waid.Parse(in)
		if err != nil {
			t.Fatalf("Parse(%q): %v", in, err)
		}
		for kind, is := range kinds {
			if got := is(j); got != (kind == want) {
				t.Errorf("%s is a %s: %t", in, kind, got)
			}
		}
	}
}

func TestZeroAndNonDevice(t *testing.T) {
	if got := (waid.JID{}).String(); got != "" || !(waid.JID{}).IsZero() {
		t.Errorf("zero JID is %q", got)
	}
	j := waid.JID{User: "1", Device: 3, Server: waid.ServerLID}
	if got := j.NonDevice().String(); got != "1@lid" || j.IsZero() {
		t.Errorf("NonDevice = %q", got)
	}
}

// rest.md 1.8: phone, hidden identity, group, channel.
func TestParseRecipient(t *testing.T) {
	tests := map[string]string{
		"5511999999999":                  "5511999999999@s.whatsapp.net",
		"+55 (11) 99999-9999":            "5511999999999@s.whatsapp.net",
		"+55.11.[99999].9999":            "5511999999999@s.whatsapp.net",
		"  1234567 ":                     "1234567@s.whatsapp.net",
		"123456789012345":                "123456789012345@s.whatsapp.net",
		"5511999999999@s.whatsapp.net":   "5511999999999@s.whatsapp.net",
		"5511999999999:3@s.whatsapp.net": "5511999999999@s.whatsapp.net",
		"5511999999999@c.us":             "5511999999999@s.whatsapp.net",
		"5511999999999:7@c.us":           "5511999999999@s.whatsapp.net",
		"100200300@lid":                  "100200300@lid",
		"100200300:5@lid":                "100200300@lid",
		"120363000000000001@g.us":        "120363000000000001@g.us",
		"5511999999999-1400000000@g.us":  "5511999999999-1400000000@g.us",
		" 120363111@newsletter":          "120363111@newsletter",
	}
	for in, want := range tests {
		got, err := waid.ParseRecipient(in)
		if err != nil || got.String() != want {
			t.Errorf("ParseRecipient(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
}

func TestParseRecipientFaults(t *testing.T) {
	for _, in := range []string{"", " ", "\t\n"} {
		if _, err := waid.ParseRecipient(in); !errors.Is(err, waid.ErrNumberRequired) {
			t.Errorf("ParseRecipient(%q): %v, want Number is required", in, err)
		}
	}
	for _, in := range []string{
		"123456", "1234567890123456", "55a11999999999", "++", "5511999999999@", "@g.us",
		"123456@s.whatsapp.net", "+5511999999999@s.whatsapp.net", "1a@lid", "1-@g.us", "1-2-3@g.us",
		"1:2@g.us", "1:2@newsletter", "x@newsletter", "status@broadcast", "1@example.com",
		"١٢٣٤٥٦٧٨", strings.Repeat("1", 65) + "@g.us",
	} {
		if got, err := waid.ParseRecipient(in); !errors.Is(err, waid.ErrInvalidNumber) {
			t.Errorf("ParseRecipient(%q) = %v, %v; want Invalid number", in, got, err)
		}
	}
}

// rest.md 1.8: for 55 + 10 or 11 digits both forms, with and without the ninth.
func TestBrazilianForms(t *testing.T) {
	tests := map[string][]string{
		"551188887777":   {"551188887777", "5511988887777"},
		"5511988887777":  {"5511988887777", "551188887777"},
		"5511888877776":  {"5511888877776"},
		"55118888777":    {"55118888777"},
		"55119888877771": {"55119888877771"},
		"351912345678":   {"351912345678"},
		"":               {""},
	}
	for in, want := range tests {
		if diff := cmp.Diff(want, waid.BrazilianForms(in)); diff != "" {
			t.Errorf("BrazilianForms(%q) (-want +got):\n%s", in, diff)
		}
	}
}

func FuzzParseRecipient(f *testing.F) {
	for _, s := range []string{"", "+55 (11) 99999-9999", "1:2@lid", "1-2@g.us", "x@newsletter", "1@c.us"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		j, err := waid.ParseRecipient(s)
		if err != nil {
			if !errors.Is(err, waid.ErrNumberRequired) && !errors.Is(err, waid.ErrInvalidNumber) {
				t.Fatalf("not a fault of the contract: %v", err)
			}
			return
		}
		again, err := waid.ParseRecipient(j.String())
		if err != nil || again != j {
			t.Fatalf("%q became %v, which reads back as %v, %v", s, j, again, err)
		}
		if j.Device != 0 {
			t.Fatalf("%q kept its device: %v", s, j)
		}
		if j.IsUser() && waid.BrazilianForms(j.User)[0] != j.User {
			t.Fatalf("%q: the given form is not first", s)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("5511999999999:12@s.whatsapp.net")
	f.Add("status@broadcast")
	f.Fuzz(func(t *testing.T, s string) {
		j, err := waid.Parse(s)
		if err != nil {
			return
		}
		if again, err := waid.Parse(j.String()); err != nil || again != j {
			t.Fatalf("%q became %v, which reads back as %v, %v", s, j, again, err)
		}
	})
}
