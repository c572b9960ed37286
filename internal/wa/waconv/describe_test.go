package waconv_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

func TestDescribe(t *testing.T) {
	tests := map[string]struct {
		json string
		want chat.Description
		ok   bool
	}{
		"image": {
			`{"imageMessage":{"URL":"https://mmg.whatsapp.net/v/x","directPath":"/v/x","mediaKey":"AQ==","fileSHA256":"Ag==","fileEncSHA256":"Aw==","fileLength":"9","mimetype":"image/jpeg","caption":"look"}}`,
			chat.Description{Ref: media.Ref{
				Kind: "image", URL: "https://mmg.whatsapp.net/v/x", DirectPath: "/v/x", Key: []byte{1},
				FileSHA256: []byte{2}, FileEncSHA256: []byte{3}, Size: 9, Mimetype: "image/jpeg",
			}},
			true,
		},
		"voice": {
			`{"audioMessage":{"directPath":"/v/x","PTT":true,"seconds":7,"mimetype":"audio/ogg"}}`,
			chat.Description{Ref: media.Ref{Kind: "ptt", DirectPath: "/v/x", Mimetype: "audio/ogg"}, Duration: 7},
			true,
		},
		"video in wrappers": {
			`{"ephemeralMessage":{"message":{"viewOnceMessageV2":{"message":{"videoMessage":{"directPath":"/v/x","seconds":3}}}}}}`,
			chat.Description{Ref: media.Ref{Kind: "video", DirectPath: "/v/x"}, Duration: 3},
			true,
		},
		"document with caption": {
			`{"documentWithCaptionMessage":{"message":{"documentMessage":{"directPath":"/v/x","fileName":"a.pdf","caption":"c"}}}}`,
			chat.Description{Ref: media.Ref{Kind: "document", DirectPath: "/v/x", FileName: "a.pdf"}},
			true,
		},
		"text":     {`{"conversation":"hi"}`, chat.Description{}, false},
		"location": {`{"locationMessage":{"degreesLatitude":1}}`, chat.Description{}, false},
		"nothing":  {`{}`, chat.Description{}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok, err := waconv.Describe(raw(t, tc.json))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || ok != tc.ok {
				t.Errorf("ok %v, want %v (-want +got):\n%s", ok, tc.ok, diff)
			}
		})
	}
	if _, ok, err := waconv.Describe([]byte{0xff}); ok || err == nil {
		t.Errorf("not a protobuf: ok %v, %v", ok, err)
	}
}
