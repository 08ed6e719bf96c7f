package inference

import (
	"math"
	"reflect"
	"testing"
)

func TestGenerateOptions_Good_Defaults(t *testing.T) {
	want := GenerateConfig{MaxTokens: 256}
	if got := DefaultGenerateConfig(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	for _, opts := range [][]GenerateOption{nil, {}} {
		if got := ApplyGenerateOpts(opts); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v", got)
		}
	}
}

func TestGenerateOptions_Good_All(t *testing.T) {
	got := ApplyGenerateOpts([]GenerateOption{WithMaxTokens(7), WithTemperature(0.5), WithTopK(40), WithTopP(0.9),
		WithStopTokens(1, 2), WithRepeatPenalty(1.1), WithLogits(), WithMinP(0.05), WithSeed(42),
		WithStopStrings("a", "b"), WithAdapters(AdapterRef{"/a", 0.5}), WithKeepHead(12)})
	want := GenerateConfig{MaxTokens: 7, Temperature: 0.5, TopK: 40, TopP: 0.9, StopTokens: []int32{1, 2},
		RepeatPenalty: 1.1, ReturnLogits: true, MinP: 0.05, Seed: 42, HasSeed: true,
		StopStrings: []string{"a", "b"}, Adapters: []AdapterRef{{"/a", 0.5}}, HasAdapters: true,
		Slide: true, KeepHead: 12}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestGenerateOptions_Bad_StoredAsTheyAre(t *testing.T) {
	got := ApplyGenerateOpts([]GenerateOption{WithMaxTokens(-1), WithTemperature(-2), WithTopK(math.MinInt),
		WithTopP(7), WithRepeatPenalty(float32(math.Inf(-1)))})
	if got.MaxTokens != -1 || got.Temperature != -2 || got.TopK != math.MinInt || got.TopP != 7 ||
		!math.IsInf(float64(got.RepeatPenalty), -1) {
		t.Errorf("%+v", got)
	}
	if got := ApplyGenerateOpts([]GenerateOption{WithMaxTokens(0)}); got.MaxTokens != 0 {
		t.Errorf("MaxTokens is %d, want the 0 that was asked for", got.MaxTokens)
	}
}

func TestGenerateOptions_Ugly_LaterWins(t *testing.T) {
	got := ApplyGenerateOpts([]GenerateOption{WithStopTokens(1, 2), WithTopK(1), WithStopTokens(3), WithTopK(0),
		WithStopStrings("a"), WithStopStrings(), WithAdapters(AdapterRef{"/a", 1}), WithAdapters()})
	if !reflect.DeepEqual(got.StopTokens, []int32{3}) || got.TopK != 0 || len(got.StopStrings) != 0 ||
		len(got.Adapters) != 0 || !got.HasAdapters {
		t.Errorf("%+v", got)
	}
	if got := ApplyGenerateOpts([]GenerateOption{WithStopTokens(1), WithStopTokens()}); len(got.StopTokens) != 0 {
		t.Errorf("%+v", got)
	}
	if got := ApplyGenerateOpts([]GenerateOption{WithKeepHead(3), WithSlide()}); !got.Slide || got.KeepHead != 0 {
		t.Errorf("%+v", got)
	}
	if got := ApplyGenerateOpts([]GenerateOption{WithSeed(0)}); !got.HasSeed {
		t.Error("seed 0 is a seed")
	}
}

func TestLoadOptions_Good(t *testing.T) {
	for _, opts := range [][]LoadOption{nil, {}} {
		if got := ApplyLoadOpts(opts); !reflect.DeepEqual(got, LoadConfig{GPULayers: -1}) {
			t.Errorf("%+v", got)
		}
	}
	got := ApplyLoadOpts([]LoadOption{WithBackend("metal"), WithContextLen(4096), WithGPULayers(12),
		WithParallelSlots(4), WithAdapter("/a", 1), WithAdapter("/b", -0.5)})
	want := LoadConfig{Backend: "metal", ContextLen: 4096, GPULayers: 12, ParallelSlots: 4,
		Adapters: []AdapterRef{{"/a", 1}, {"/b", -0.5}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestLoadOptions_Bad_StoredAsTheyAre(t *testing.T) {
	got := ApplyLoadOpts([]LoadOption{WithContextLen(-1), WithGPULayers(-7), WithParallelSlots(-3)})
	if got.ContextLen != -1 || got.GPULayers != -7 || got.ParallelSlots != -3 {
		t.Errorf("%+v", got)
	}
}

func TestLoadOptions_Ugly_LaterWins(t *testing.T) {
	opts := []LoadOption{WithBackend("a"), WithBackend(""), WithGPULayers(0), WithAdapter("/a", 1)}
	for range 2 { // the same options may be applied again
		got := ApplyLoadOpts(opts)
		if got.Backend != "" || got.GPULayers != 0 || len(got.Adapters) != 1 {
			t.Errorf("%+v", got)
		}
	}
}
