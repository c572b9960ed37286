package message

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// The cache of numbers is bounded, and prefers to drop what has expired.
func TestNumberCacheIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNumberCache(10)
		key := func(i int) numberKey { return numberKey{"id-1", fmt.Sprint(i)} }
		for i := range 5 {
			c.put(key(i), Recipient{})
		}
		<-time.After(cacheFor + time.Second)
		for i := range 6 {
			c.put(key(10+i), Recipient{})
		}
		for i := range 6 {
			if _, ok := c.get(key(10 + i)); !ok {
				t.Errorf("%d was dropped while expired ones were there", 10+i)
			}
		}
		for i := range 1000 {
			c.put(key(100+i), Recipient{})
			if len(c.numbers) > 10 {
				t.Fatalf("%d numbers kept", len(c.numbers))
			}
		}
	})
}

// Instances that sent nothing for a while are forgotten when there are many.
func TestPacersForgetIdleInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacers(60, 1)
		for i := range maxIdle {
			if err := p.wait(t.Context(), fmt.Sprint(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Hour)
		if err := p.wait(t.Context(), "one more", nil); err != nil {
			t.Fatal(err)
		}
		if n := len(p.instances); n != 1 {
			t.Errorf("%d instances remembered", n)
		}
	})
}
