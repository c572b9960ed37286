// Package waid knows WhatsApp addresses: phone numbers, hidden identities
// (LID), groups and newsletters, how people write them, and the Brazilian ninth
// digit. It does no look-ups.
package waid
