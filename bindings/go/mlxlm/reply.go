//go:build !nomlxlm

package mlxlm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

var errParse = errors.New("mlxlm: parse response")

// reply is one line of the child.
type reply map[string]any

func parseReply(line []byte) (r reply, err error) {
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errParse, err)
	}
	if r == nil {
		return nil, fmt.Errorf("%w: %s is no object", errParse, line)
	}
	return r, nil
}

// failure is the text of {"error": text}.
func (r reply) failure() (string, bool) {
	switch e := r["error"].(type) {
	case nil:
		return "", false
	case string:
		return e, true
	default:
		text, _ := json.Marshal(e) // it came out of JSON
		return string(text), true
	}
}

func (r reply) done() bool { _, ok := r["done"]; return ok }

func (r reply) text(key string) string {
	s, _ := r[key].(string)
	return s
}

// integer reads a number, which JSON has as a double; 0 where there is none that fits 32 bits.
func (r reply) integer(key string) int {
	f, _ := r[key].(float64)
	if !(f >= math.MinInt32 && f <= math.MaxInt32) {
		return 0
	}
	return int(f)
}
