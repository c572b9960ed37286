package waid

import "strings"

// Brazilian numbers are 55, two digits of area code, and eight digits to which
// mobile phones got a leading ninth, 9, in 2012 to 2016. WhatsApp accounts
// that are older keep their address without it.
const (
	brazil       = "55"
	brazilArea   = len(brazil) + 2
	brazilShort  = brazilArea + 8
	brazilLong   = brazilArea + 9
	brazilMobile = "9"
)

// BrazilianForms returns the ways in which WhatsApp may know a number given in
// digits: the given form first and, for Brazil, the one with or without the
// ninth digit. Any other number comes back alone.
func BrazilianForms(digits string) []string {
	if !strings.HasPrefix(digits, brazil) || !isDigits(digits) {
		return []string{digits}
	}
	switch {
	case len(digits) == brazilShort:
		return []string{digits, digits[:brazilArea] + brazilMobile + digits[brazilArea:]}
	case len(digits) == brazilLong && strings.HasPrefix(digits[brazilArea:], brazilMobile):
		return []string{digits, digits[:brazilArea] + digits[brazilArea+1:]}
	}
	return []string{digits}
}
