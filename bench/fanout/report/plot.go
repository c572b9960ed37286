package report

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/chasqui/chasqui/bench/fanout/suite"
)

// Sizes of the plot in pixels.
const (
	width   = 760
	row     = 18
	margin  = 150
	panel   = 190
	caption = 30
)

// colours are readable on light and dark ground.
var colours = []string{"#888888", "#b0b0b0", "#d9480f", "#f08c00", "#1971c2", "#2f9e44", "#9c36b5", "#0c8599", "#c2255c", "#5f3dc4"}

// WritePlot draws the run into the file plot in the page's folder; an empty name
// means no plot.
func WritePlot(r *suite.Result, page, plot string) error {
	if plot == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(filepath.Dir(page), filepath.Base(plot)), []byte(Plot(r)), 0o644)
}

// Plot is an SVG: bars of the CPU per single delivery, and the lines of growth.
func Plot(r *suite.Result) string {
	c := &canvas{}
	c.bars(r)
	c.lines(r, "CPU per delivery", suite.Nanoseconds, func(p suite.Point) float64 { return p.CPU })
	c.lines(r, "latency, p99", suite.Nanoseconds, func(p suite.Point) float64 { return p.P99 })
	c.lines(r, "memory per client", decimalBytes, func(p suite.Point) float64 { return p.Memory })
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12" fill="#777">`+
		"\n%s</svg>\n", width, c.y, width, c.y, c.b.String())
}

// canvas is a plot that grows downwards.
type canvas struct {
	b strings.Builder
	y int
}

func (c *canvas) text(x, y int, anchor, text string) {
	fmt.Fprintf(&c.b, `<text x="%d" y="%d" text-anchor="%s">%s</text>`+"\n", x, y, anchor, escape(text))
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

func colour(name string) string {
	for i, n := range suite.Names() {
		if n == name {
			return colours[i%len(colours)]
		}
	}
	return colours[0]
}

// bars compares the CPU of single events with the bare write loop.
func (c *canvas) bars(r *suite.Result) {
	s := summarize(r)
	type bar struct {
		name string
		f    figure
	}
	var list []bar
	most := 0.0
	for _, name := range s.takers("single") {
		if f := s.ratio("single", name, "cpu", "raw"); f.n > 0 {
			list = append(list, bar{name, f})
			most = max(most, f.median)
		}
	}
	if len(list) == 0 {
		return
	}
	c.text(margin, c.y+20, "start", "CPU per single delivery, against a bare write loop (1)")
	c.y += caption
	for _, b := range list {
		w := int(b.f.median / most * (width - margin - 80))
		c.text(margin-8, c.y+13, "end", b.name)
		fmt.Fprintf(&c.b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", margin, c.y+2, w, row-4, colour(b.name))
		c.text(margin+w+6, c.y+13, "start", digits(b.f.median))
		c.y += row
	}
	c.y += row
}

// lines draws one figure of growth over the number of clients, both
// logarithmic.
func (c *canvas) lines(r *suite.Result, title string, unit suite.Unit, of func(suite.Point) float64) {
	x, y, ok := axes(r.Growth, of)
	if !ok {
		return
	}
	c.text(margin, c.y+20, "start", "Growth: "+title+", over the number of clients")
	c.y += caption
	top, bottom := c.y, c.y+panel
	place := func(p suite.Point) (int, int) {
		return margin + int(x.share(float64(p.Clients))*(width-margin-110)), bottom - int(y.share(of(p))*panel)
	}
	for _, v := range y.ticks() {
		at := bottom - int(y.share(v)*panel)
		fmt.Fprintf(&c.b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#777" stroke-opacity="0.3"/>`+"\n", margin, at, width-110, at)
		c.text(margin-8, at+4, "end", write(v, unit))
	}
	for _, v := range x.ticks() {
		c.text(margin+int(x.share(v)*(width-margin-110)), bottom+16, "middle", digits(v))
	}
	for i, name := range contendersOf(r.Growth) {
		var path []string
		for _, p := range r.Growth {
			if p.Contender == name && of(p) > 0 {
				px, py := place(p)
				path = append(path, fmt.Sprintf("%d,%d", px, py))
			}
		}
		fmt.Fprintf(&c.b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), colour(name))
		fmt.Fprintf(&c.b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", width-104, top+12+i*row, colour(name), escape(name))
	}
	c.y = bottom + 2*caption
}

func contendersOf(points []suite.Point) []string {
	var names []string
	seen := map[string]bool{}
	for _, p := range points {
		if !seen[p.Contender] {
			seen[p.Contender] = true
			names = append(names, p.Contender)
		}
	}
	return names
}

// axis is logarithmic, from one power of ten to another.
type axis struct{ low, high float64 }

func (a axis) share(v float64) float64 { return (math.Log10(v) - a.low) / (a.high - a.low) }

func (a axis) ticks() []float64 {
	var list []float64
	for e := a.low; e <= a.high; e++ {
		list = append(list, math.Pow(10, e))
	}
	return list
}

// axes fit the points that have something to show; ok is false if none has.
func axes(points []suite.Point, of func(suite.Point) float64) (x, y axis, ok bool) {
	x, y = axis{math.Inf(1), math.Inf(-1)}, axis{math.Inf(1), math.Inf(-1)}
	for _, p := range points {
		if of(p) <= 0 {
			continue
		}
		ok = true
		x.fit(float64(p.Clients))
		y.fit(of(p))
	}
	return x, y, ok
}

func (a *axis) fit(v float64) {
	a.low = min(a.low, math.Floor(math.Log10(v)))
	a.high = max(a.high, math.Ceil(math.Log10(v)), a.low+1)
}
