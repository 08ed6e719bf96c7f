package inference

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestMessage_Good_JSON(t *testing.T) {
	text, err := json.Marshal([]Message{{Role: "user", Content: "a \"b\"\n"}})
	if err != nil || string(text) != `[{"role":"user","content":"a \"b\"\n"}]` {
		t.Errorf("%s, %v", text, err)
	}
	var m Message
	if err := json.Unmarshal([]byte(`{"content":"c","role":"system","name":"x"}`), &m); err != nil ||
		m != (Message{"system", "c"}) {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestMessage_Bad_JSON(t *testing.T) {
	m := Message{Role: "user"}
	if err := json.Unmarshal([]byte(`{"role":1}`), &m); err == nil {
		t.Error("a number is no role")
	}
}

func TestMessage_Ugly_EmptyKeepsItsKeys(t *testing.T) {
	if text, err := json.Marshal(Message{}); err != nil || string(text) != `{"role":"","content":""}` {
		t.Errorf("%s, %v", text, err)
	}
}

// The contract's fields, in order: programs convert these types to and from others of the same shape.
func TestTypes_Good_Fields(t *testing.T) {
	type field struct {
		name string
		kind any
	}
	for _, c := range []struct {
		value  any
		fields []field
	}{
		{Token{}, []field{{"ID", int32(0)}, {"Text", ""}}},
		{Message{}, []field{{"Role", ""}, {"Content", ""}}},
		{ClassifyResult{}, []field{{"Token", Token{}}, {"Logits", []float32{}}}},
		{BatchResult{}, []field{{"Tokens", []Token{}}, {"Err", nil}}},
		{GenerateMetrics{}, []field{{"PromptTokens", 0}, {"GeneratedTokens", 0},
			{"PrefillDuration", time.Duration(0)}, {"DecodeDuration", time.Duration(0)},
			{"TotalDuration", time.Duration(0)}, {"PrefillTokensPerSec", 0.0}, {"DecodeTokensPerSec", 0.0},
			{"PeakMemoryBytes", uint64(0)}, {"ActiveMemoryBytes", uint64(0)}}},
		{ModelInfo{}, []field{{"Architecture", ""}, {"VocabSize", 0}, {"NumLayers", 0}, {"HiddenSize", 0},
			{"QuantBits", 0}, {"QuantGroup", 0}}},
		{DiscoveredModel{}, []field{{"Path", ""}, {"ModelType", ""}, {"QuantBits", 0}, {"QuantGroup", 0},
			{"NumFiles", 0}}},
	} {
		got := reflect.TypeOf(c.value)
		if got.NumField() != len(c.fields) {
			t.Errorf("%v has %d fields, want %d", got, got.NumField(), len(c.fields))
			continue
		}
		for i, want := range c.fields {
			f := got.Field(i)
			if f.Name != want.name || (want.kind != nil && f.Type != reflect.TypeOf(want.kind)) {
				t.Errorf("%v: field %d is %s %v, want %s %T", got, i, f.Name, f.Type, want.name, want.kind)
			}
		}
	}
}
