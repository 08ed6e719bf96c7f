//go:build !nomlxlm

package mlxlm

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"
)

// The embedded bridge without mlx-lm: the texts of its errors, line by line.
func TestBridge_Bad_Texts(t *testing.T) {
	cmd := exec.Command("python3", "-u", "bridge.py")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	lines := bufio.NewScanner(stdout)
	for _, c := range []struct{ command, want string }{
		{`{"cmd":"generate","prompt":"x"}`, `"generate: no model loaded"`},
		{`{"cmd":"chat","messages":[]}`, `"chat: no model loaded"`},
		{`{"cmd":"info"}`, `"info: no model loaded"`},
		{`{"cmd":"load"}`, `"load: missing 'path'"`},
		{`{"cmd":"load","path":""}`, `"load: missing 'path'"`},
		{`{"cmd":"load","path":"/no/such"}`, `"load: cannot open model at /no/such"`},
		{"\n  \n" + `{"cmd":"dance"}`, `"unknown command: dance"`},
		{`{}`, `"unknown command: "`},
		{`{"cmd":7}`, `"unknown command: 7"`},
		{`{"cmd":"cancel"}` + "\n" + `{"cmd":`, `"parse error: Expecting value`},
		{`[1]`, `"parse error: a command is an object"`},
		{"{\"cmd\":\"\xff\"}", `"parse error: 'utf-8' codec can't decode`},
	} {
		if _, err := stdin.Write([]byte(c.command + "\n")); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), `{"error": `+c.want) {
			t.Errorf("%s: %s, want %s", c.command, lines.Text(), c.want)
		}
	}
	stdin.Close()
	if lines.Scan() {
		t.Errorf("a line after the end: %s", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
