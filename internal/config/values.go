package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that also reads days, as in 90d.
type Duration time.Duration

// UnmarshalText reads 30s, 15m, 2h, 90d or 0.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("must be a duration such as 30s, 2h or 90d, not %q", s)
		}
		*d = Duration(n * 24 * float64(time.Hour))
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("must be a duration such as 30s, 2h or 90d, not %q", s)
	}
	*d = Duration(v)
	return nil
}

func durationText(d Duration) string {
	v := time.Duration(d)
	if v > 0 && v%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", v/(24*time.Hour))
	}
	return v.String()
}

// Size is a number of bytes, written as 16MiB, 512KiB, 1GiB or plain bytes.
type Size int64

// UnmarshalText reads a size with a binary unit or none.
func (z *Size) UnmarshalText(text []byte) error {
	s := string(text)
	number, shift := s, 0
	for _, unit := range []struct {
		suffix string
		shift  int
	}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"B", 0}} {
		if rest, ok := strings.CutSuffix(s, unit.suffix); ok {
			number, shift = strings.TrimSpace(rest), unit.shift
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n<<shift>>shift != n {
		return fmt.Errorf("must be a size such as 512KiB or 16MiB, not %q", s)
	}
	*z = Size(n << shift)
	return nil
}

// sizeText writes a size with the largest unit that divides it.
func sizeText(z Size) string {
	for _, unit := range []struct {
		suffix string
		shift  int
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if n := int64(z) >> unit.shift; n > 0 && n<<unit.shift == int64(z) {
			return fmt.Sprintf("%d%s", n, unit.suffix)
		}
	}
	return strconv.FormatInt(int64(z), 10)
}

// List is a list of words, written with commas.
type List []string

// UnmarshalText splits at commas and drops empty words.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	for word := range strings.SplitSeq(string(text), ",") {
		if word = strings.TrimSpace(word); word != "" {
			*l = append(*l, word)
		}
	}
	return nil
}

// Durations is a list of durations, written with commas.
type Durations []Duration

// UnmarshalText splits at commas and drops empty words.
func (l *Durations) UnmarshalText(text []byte) error {
	var words List
	if err := words.UnmarshalText(text); err != nil {
		return err
	}
	list := make(Durations, len(words))
	for i, word := range words {
		if err := list[i].UnmarshalText([]byte(word)); err != nil {
			return err
		}
	}
	*l = list
	return nil
}

// Std returns the list as standard durations.
func (l Durations) Std() []time.Duration {
	out := make([]time.Duration, len(l))
	for i, d := range l {
		out[i] = time.Duration(d)
	}
	return out
}

func durationsText(l Durations) string {
	words := make([]string, len(l))
	for i, d := range l {
		words[i] = durationText(d)
	}
	return strings.Join(words, ",")
}
