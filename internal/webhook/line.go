package webhook

type line struct{}

type lane struct{ slots int }
