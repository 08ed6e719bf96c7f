// inference diff: what an adapter changes in a model's mind about given texts, position by
// position.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <memory>

#include "diff_report.h"
#include "generation.h"
#include "interrupt.h"

namespace inference::tools {
namespace {

struct Options {
  ModelOptions model;  // its adapters: of the adapted side
  std::vector<std::string> against, texts;
  std::vector<float> scales;
  uint64_t noise_seed = 0;
  bool has_noise = false, last = false, json = false;
  uint32_t top_k = 3;
  uint64_t window = 0, overlap = 0;
};

// The adapted side at one scale, and the base's.
struct Sides {
  Request base, adapted;
};

std::vector<float> Times(const std::vector<float>& scales, float factor) {
  std::vector<float> out;
  for (const float scale : scales) out.push_back(scale * factor);
  return out;
}

class Comparison {
 public:
  explicit Comparison(const Options& options)
      : options_(options), loaded_(LoadModel(options.model, interrupt_.cancel())) {
    Call(inf_model_tokenizer, loaded_.model.get(), tokenizer_.out());
    if (options.has_noise) ReplaceByNoise();
    AdapterList against;
    against.Load(loaded_.model, options.against, options.model.allow_symlinks, interrupt_.cancel());
    base_ = RequestUnder(against, against.scales);
  }

  // Of all texts at one scale.
  Items Compare(const std::vector<std::string>& texts, float scale) const {
    const Request adapted = RequestUnder(loaded_.under, Times(loaded_.under.scales, scale));
    auto options = Sized<inf_diff_options>();
    options.flags = options_.last ? INF_DIFF_LAST : 0u;
    options.top_k = options_.top_k;
    options.window = options_.window;
    options.overlap = options_.overlap;
    const Inputs inputs = TextInputs(texts);
    Items items;
    Call(inf_diff, loaded_.model.get(), inputs.get(), base_.get(), adapted.get(), &options,
         interrupt_.cancel(), items.out());
    return items;
  }

  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  // Adapters become noise of their shapes, with their scales.
  void ReplaceByNoise() {
    uint64_t seed = options_.noise_seed;
    for (Adapter& adapter : loaded_.under.adapters) {
      Adapter noise;
      Call(inf_adapter_null, adapter.get(), seed++, 0.02, 1.0, noise.out());
      adapter = std::move(noise);
    }
  }

  const Options& options_;
  Interrupt interrupt_{Interrupt::Second::kEnds};
  LoadedModel loaded_;
  Tokenizer tokenizer_;
  Request base_;
};

void Run(const Options& options) {
  if (options.model.adapters.empty()) throw UsageError("--adapter is needed");
  const Comparison comparison(options);
  const std::vector<std::string> texts = options.texts.empty() ? ReadTexts() : options.texts;
  const bool has_scales = !options.scales.empty();
  DiffReport report(
      comparison.tokenizer(),
      {.json = options.json, .last = options.last, .summaries_only = options.scales.size() > 1});
  for (const float scale : has_scales ? options.scales : std::vector<float>{1.0f}) {
    const Items items = comparison.Compare(texts, scale);
    report.Begin(has_scales ? std::optional(scale) : std::nullopt);
    for (size_t i = 0; i < texts.size(); ++i) report.Add(items, i, texts[i]);
    report.End();
  }
}

}  // namespace

Command AddDiff(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app =
      root.add_subcommand("diff", "What an adapter changes in the probabilities of texts");
  AddLoadOptions(*app, options->model);
  AddAdapterOption(*app, options->model);
  app->add_option(
         "--against", options->against,
         "Adapter of the other side, instead of the model alone; may be given several times")
      ->allow_extra_args(false)
      ->type_name("DIR[:SCALE]");
  app->add_option(
         "--scale", options->scales,
         "Factor on all of --adapter (0 = the model alone, 1 = as trained); several times: "
         "a summary at each")
      ->allow_extra_args(false)
      ->type_name("X");
  CLI::Option* noise =
      app->add_option("--noise", options->noise_seed,
                      "Instead of the adapters, noise of their shapes from this seed: what any "
                      "change of the size does")
          ->type_name("SEED");
  app->add_option("-p,--prompt", options->texts,
                  "A text; may be given several times (default: JSON strings on stdin, one a line)")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  app->add_flag("--last", options->last, "Only what follows the last token of each text");
  app->add_option("--top-k", options->top_k, "Tokens that moved most, at each position (0..64)")
      ->check(Between(0, 64))
      ->capture_default_str()
      ->type_name("K");
  app->add_option("--window", options->window, "Tokens compared together (default: the context)")
      ->type_name("N");
  app->add_option("--overlap", options->overlap,
                  "Tokens of the window before that are context (default: 1)")
      ->type_name("N");
  app->add_flag("--json", options->json, "JSON lines, see below");
  app->footer(
      "Both sides run together over one copy of the weights. A line of the table is a token with "
      "its\n"
      "log-probability on each side (natural logarithms; base: the model alone, or --against), and "
      "how\n"
      "far apart the two sides' expectations are in its place:\n"
      "  KL  of the adapted side from the base, in nats; 0 = the same, no upper bound\n"
      "  JS  Jensen-Shannon, between 0 (the same) and 0.693 (nothing in common), as a bar\n"
      "  and the tokens whose probability changed most, in percent: before > after\n"
      "The last line has means, maxima and perplexities: exp(- mean log-probability).\n\n"
      "With --json an object a text: text, token_ids, then lists with an entry a position (base, "
      "adapted,\n"
      "kl, kl_reverse, js, moved) and summary; or text and error. Where --scale is given, scale. "
      "null\n"
      "stands for what is no number or infinite.\n\n"
      "Examples:\n"
      "  inference diff --model M --adapter DIR --prompt \"The capital of France is Paris\"\n"
      "  inference diff --model M --adapter DIR --scale 0.25 --scale 0.5 --scale 1 < texts.jsonl\n"
      "  inference diff --model M --adapter NEW --against OLD --json < texts.jsonl");
  return {app, [=] {
            options->has_noise = noise->count() > 0;
            Run(*options);
          }};
}

}  // namespace inference::tools
