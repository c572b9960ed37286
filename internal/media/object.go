package media

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"
)

// object names a file in the instance's bucket:
// <pathPrefix><instance>/<yyyy>/<mm>/<messageId>.<ext>, by the time of sending
// in UTC.
func (h *home) object(key Key, ref Ref) string {
	return h.config.PathPrefix + h.name + ref.SentAt.UTC().Format("/2006/01/") + safeID(key.MessageID) + "." + extension(ref)
}

// diskObject names a file on the local disk, where nobody looks names up: by a
// hash, since whoever sends a message chooses its ID, and spread over 256
// folders.
func diskObject(instanceID string, key Key) string {
	sum := sha256.Sum256([]byte(key.ChatKey + "\x00" + key.SenderKey + "\x00" + key.MessageID))
	name := hex.EncodeToString(sum[:])
	return path.Join(instanceID, name[:2], name[2:])
}

// safeID returns a message ID that may stand in a path. Senders choose it: what
// is not a letter, a digit, a dash or an underscore, and what is too long, is
// replaced by a hash.
func safeID(id string) string {
	const longest = 128
	odd := func(r rune) bool { return !isAlphanumeric(r) && r != '-' && r != '_' }
	if id != "" && len(id) <= longest && !strings.ContainsFunc(id, odd) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "id-" + hex.EncodeToString(sum[:])
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

// extensions are those of the types that WhatsApp's own clients send. The
// system's table would differ from machine to machine.
var extensions = map[string]string{
	"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif", "image/heic": "heic",
	"video/mp4": "mp4", "video/3gpp": "3gp", "video/quicktime": "mov", "video/webm": "webm",
	"audio/ogg": "ogg", "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/aac": "aac", "audio/amr": "amr", "audio/wav": "wav",
	"application/pdf": "pdf", "application/zip": "zip", "text/plain": "txt", "text/csv": "csv", "text/vcard": "vcf",
	"application/json": "json", "application/xml": "xml", "application/msword": "doc",
	"application/vnd.ms-excel": "xls", "application/vnd.ms-powerpoint": "ppt",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   "docx",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         "xlsx",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
	"application/vnd.android.package-archive":                                   "apk",
	"application/was": "was",
}

// extension is that of the sender's file name if it has a plain one, else that
// of the type, else bin.
func extension(ref Ref) string {
	const longest = 8
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(ref.FileName), "."))
	odd := func(r rune) bool { return !isAlphanumeric(r) }
	if ext != "" && len(ext) <= longest && !strings.ContainsFunc(ext, odd) {
		return ext
	}
	mimetype, _, _ := strings.Cut(strings.ToLower(ref.Mimetype), ";")
	if ext, ok := extensions[strings.TrimSpace(mimetype)]; ok {
		return ext
	}
	return "bin"
}
