// Package config declares every option of the gateway once: its key, default
// and help. Flags, environment variables and chasqui.yaml are three spellings
// of the same table, in that order of strength.
//
// A key "a.b_c" is the flag --a-b-c and the variable CHASQUI_A_B_C. The package
// parses and checks; it opens nothing and starts nothing.
package config
