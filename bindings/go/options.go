package inference

// Options only store what they are given; backends say what they refuse. A later option wins.

// AdapterRef is a LoRA adapter on disk and the factor it is used with: 0 is the base, 1 the adapter as
// it was trained.
type AdapterRef struct {
	Path  string
	Scale float32
}

// GenerateConfig is what the options of Generate, Chat, Classify and BatchGenerate set.
type GenerateConfig struct {
	MaxTokens     int
	Temperature   float32 // 0 = greedy
	TopK          int     // 0 = off
	TopP          float32 // 0 = off
	StopTokens    []int32 // end the text; none of them is part of it
	RepeatPenalty float32 // 0 and 1 = off
	ReturnLogits  bool    // Classify

	MinP        float32      // drops tokens less likely than MinP times the likeliest one; 0 = off
	Seed        uint64       // of the random draws
	HasSeed     bool         // false: the backend chooses a seed
	StopStrings []string     // end the text; none of them is part of it
	Adapters    []AdapterRef // with HasAdapters: in place of those of the load
	HasAdapters bool
	Slide       bool // goes on where prompt and text outgrow the context, without the oldest tokens
	KeepHead    int  // and with so many of the first ones; 0 = none
}

// GenerateOption changes a GenerateConfig.
type GenerateOption func(*GenerateConfig)

// DefaultGenerateConfig is 256 tokens at most, greedy, all else off.
func DefaultGenerateConfig() GenerateConfig { return GenerateConfig{MaxTokens: 256} }

// ApplyGenerateOpts returns the defaults with the options applied, in order.
func ApplyGenerateOpts(opts []GenerateOption) GenerateConfig {
	cfg := DefaultGenerateConfig()
	for _, opt := range opts {
		opt(&cfg)
	}
	return cfg
}

// WithMaxTokens bounds the tokens generated.
func WithMaxTokens(n int) GenerateOption { return func(c *GenerateConfig) { c.MaxTokens = n } }

// WithTemperature draws tokens at random; 0 is greedy.
func WithTemperature(t float32) GenerateOption { return func(c *GenerateConfig) { c.Temperature = t } }

// WithTopK keeps the k likeliest tokens; 0 is off.
func WithTopK(k int) GenerateOption { return func(c *GenerateConfig) { c.TopK = k } }

// WithTopP keeps the likeliest tokens that together reach probability p; 0 is off.
func WithTopP(p float32) GenerateOption { return func(c *GenerateConfig) { c.TopP = p } }

// WithStopTokens ends the text before the first of these tokens. The last call counts.
func WithStopTokens(ids ...int32) GenerateOption {
	return func(c *GenerateConfig) { c.StopTokens = ids }
}

// WithRepeatPenalty makes tokens that were generated already less likely; 0 and 1 are off.
func WithRepeatPenalty(p float32) GenerateOption {
	return func(c *GenerateConfig) { c.RepeatPenalty = p }
}

// WithLogits makes Classify return the logits.
func WithLogits() GenerateOption { return func(c *GenerateConfig) { c.ReturnLogits = true } }

// WithMinP drops tokens less likely than p times the likeliest one; 0 is off.
func WithMinP(p float32) GenerateOption { return func(c *GenerateConfig) { c.MinP = p } }

// WithSeed fixes the random draws: same seed, same text.
func WithSeed(seed uint64) GenerateOption {
	return func(c *GenerateConfig) { c.Seed, c.HasSeed = seed, true }
}

// WithStopStrings ends the text before the first place where one of these stands. The last call counts.
func WithStopStrings(stops ...string) GenerateOption {
	return func(c *GenerateConfig) { c.StopStrings = stops }
}

// WithAdapters runs this call under these adapters, in place of those of the load; none is the base.
func WithAdapters(adapters ...AdapterRef) GenerateOption {
	return func(c *GenerateConfig) { c.Adapters, c.HasAdapters = adapters, true }
}

// WithSlide goes on where prompt and text outgrow the context (WithContextLen), which is an error otherwise: the
// oldest tokens are dropped as often as it takes. A backend whose context slides anyway does so without it.
func WithSlide() GenerateOption {
	return func(c *GenerateConfig) { c.Slide, c.KeepHead = true, 0 }
}

// WithKeepHead is WithSlide, but the first n tokens stay, such as a system message.
func WithKeepHead(n int) GenerateOption {
	return func(c *GenerateConfig) { c.Slide, c.KeepHead = true, n }
}

// LoadConfig is what the options of LoadModel set.
type LoadConfig struct {
	Backend       string // "" = the default one
	ContextLen    int    // tokens that a generation may see; 0 = the model's own limit
	GPULayers     int    // -1 = all, 0 = none
	ParallelSlots int    // generations at once; 0 = the backend's default, 1

	Adapters []AdapterRef // in use unless a call brings its own
}

// LoadOption changes a LoadConfig.
type LoadOption func(*LoadConfig)

// ApplyLoadOpts returns the defaults (all layers on the GPU) with the options applied, in order.
func ApplyLoadOpts(opts []LoadOption) LoadConfig {
	cfg := LoadConfig{GPULayers: -1}
	for _, opt := range opts {
		opt(&cfg)
	}
	return cfg
}

// WithBackend names the backend; "" is the default one.
func WithBackend(name string) LoadOption { return func(c *LoadConfig) { c.Backend = name } }

// WithContextLen bounds what a generation may see, and with it the memory of its cache; 0 is the
// model's own limit. What outgrows it is an error, or goes on: WithSlide.
func WithContextLen(n int) LoadOption { return func(c *LoadConfig) { c.ContextLen = n } }

// WithGPULayers says how many layers run on the GPU; -1 is all.
func WithGPULayers(n int) LoadOption { return func(c *LoadConfig) { c.GPULayers = n } }

// WithParallelSlots says how many generations may run at once.
func WithParallelSlots(n int) LoadOption { return func(c *LoadConfig) { c.ParallelSlots = n } }

// WithAdapter loads a LoRA adapter beside the model. Several calls add up.
func WithAdapter(path string, scale float32) LoadOption {
	return func(c *LoadConfig) { c.Adapters = append(c.Adapters, AdapterRef{path, scale}) }
}
