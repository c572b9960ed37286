package sandbox

import (
	"fmt"
	"math"
	"net/http"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/wasim"
)

// maxGroupName is the longest name of a group, in characters.
const maxGroupName = 100

// person finds a person that a field names.
func (s *sandbox) person(f *form, name string) *wasim.Phone {
	number := f.phone(name)
	p, ok := s.network.FindPhone(number)
	if number != "" && !ok {
		f.wrong(name, unknownPhone)
	}
	return p
}

// people finds everybody that a field lists.
func (s *sandbox) people(f *form, name string) []*wasim.Phone {
	var out []*wasim.Phone
	for i, number := range f.numbers(name) {
		p, ok := s.network.FindPhone(number)
		if isNumber(number) && !ok {
			f.wrong(fmt.Sprintf("%s[%d]", name, i), unknownPhone)
		}
		out = append(out, p)
	}
	return out
}

const unknownPhone = "must be the number of a phone made with POST /sandbox/phones"

// group is the group that a path names.
func (s *sandbox) group(r *http.Request) (*wasim.Group, error) {
	g, ok := s.network.Group(r.PathValue("jid"))
	if !ok {
		return nil, fault.New(fault.NotFound, "Group not found",
			fault.Detail{Field: "jid", Reason: "must be the address of a group on the simulated network"})
	}
	return g, nil
}

func (f *form) groupName(name string) *string {
	v := f.textPointer(name)
	if v == nil {
		return nil
	}
	if n := len([]rune(*v)); n == 0 || n > maxGroupName {
		f.wrong(name, fmt.Sprintf("must have 1 to %d characters", maxGroupName))
	}
	return v
}

func (s *sandbox) createGroup(r *http.Request) (answer, error) {
	f, err := readForm(r)
	if err != nil {
		return answer{}, err
	}
	name, owner, members := f.groupName("name"), s.person(f, "owner"), s.people(f, "participants")
	if !f.has("name") {
		f.require("name", false)
	}
	if err = f.err(); err != nil {
		return answer{}, err
	}
	g, err := s.network.CreateGroup(*name, owner, members...)
	if err != nil {
		return answer{}, fromNetwork(err, "name")
	}
	return answer{status: http.StatusCreated, fields: map[string]any{"jid": g.JID()}}, nil
}

func (s *sandbox) changeParticipants(r *http.Request) (answer, error) {
	g, err := s.group(r)
	if err != nil {
		return answer{}, err
	}
	f, err := readForm(r)
	if err != nil {
		return answer{}, err
	}
	actor, people := s.person(f, "actor"), s.people(f, "participants")
	action := f.oneOf("action", "add", "remove", "promote", "demote", "join", "leave")
	if action != "join" && action != "leave" {
		f.require("participants", len(people) > 0)
	}
	if err = f.err(); err != nil {
		return answer{}, err
	}
	if err = g.Participants(r.Context(), actor, action, people...); err != nil {
		return answer{}, fromNetwork(err, "participants")
	}
	return answer{fields: map[string]any{"participants": g.Members()}}, nil
}

// changes are the fields of a group of which one or more are given.
const changes = "name, topic, announce, locked, ephemeral, membershipApproval"

func (s *sandbox) updateGroup(r *http.Request) (answer, error) {
	g, err := s.group(r)
	if err != nil {
		return answer{}, err
	}
	f, err := readForm(r)
	if err != nil {
		return answer{}, err
	}
	actor := s.person(f, "actor")
	change := wasim.GroupChange{
		Name: f.groupName("name"), Topic: f.textPointer("topic"), Announce: f.booleanPointer("announce"),
		Locked: f.booleanPointer("locked"), MembershipApproval: f.booleanPointer("membershipApproval"),
	}
	if f.has("ephemeral") {
		seconds := uint32(f.integer("ephemeral", 0, math.MaxInt32))
		change.Ephemeral = &seconds
	}
	if change == (wasim.GroupChange{}) {
		f.wrong("name", "give at least one of "+changes)
	}
	if err = f.err(); err != nil {
		return answer{}, err
	}
	return answer{}, fromNetwork(g.Update(r.Context(), actor, change), "actor")
}
