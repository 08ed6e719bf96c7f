// inference classify, embed: what follows texts, and texts as vectors, many in one call.
#include <memory>

#include "generation.h"
#include "terminal.h"

namespace inference::tools {
namespace {

// What `line` makes of each item, or its error.
template <class Line>
void OutItems(const Items& items, const Line& line) {
  for (uint64_t i = 0; i < inf_items_count(items.get()); ++i) {
    Json out;
    try {
      out = line(i);
    } catch (const ApiError& error) {
      out = {{"error", error.what()}};
    }
    Out(Dump(out) + '\n');
  }
}

Json List(std::span<const float> values) {
  Json list = Json::array();
  for (const float value : values) list.push_back(value);
  return list;
}

struct ClassifyOptions {
  ModelOptions model;
  std::vector<std::string> labels;
  bool logits = false;
};

void RunClassify(const ClassifyOptions& options) {
  if (options.logits && !options.labels.empty()) {
    throw UsageError("--logits and --label exclude each other");
  }
  const LoadedModel loaded = LoadModel(options.model, nullptr);
  const Inputs prompts = TextInputs(ReadTexts());
  const Inputs labels = options.labels.empty() ? Inputs() : TextInputs(options.labels);
  const Request under = RequestUnder(loaded.under, loaded.under.scales);
  Items items;
  Call(inf_classify, loaded.model.get(), prompts.get(), labels.get(), under.get(),
       options.logits ? INF_CLASSIFY_LOGITS : 0u, nullptr, items.out());
  TextOutput text;
  FloatsOutput values;
  OutItems(items, [&](uint64_t i) {
    auto desc = Sized<inf_class_desc>();
    Call(inf_items_class, items.get(), i, &desc, text.out(), values.out());
    if (options.labels.empty()) {
      Json out = {{"token", desc.token}, {"text", text.view()}};
      if (options.logits) out["logits"] = List(values.span());
      return out;
    }
    return Json{{"label", text.view()}, {"index", desc.label}, {"logprobs", List(values.span())}};
  });
}

struct EmbedOptions {
  ModelOptions model;
  std::string pooling = "mean";
  int32_t layer = -1;
  bool raw = false;
};

void RunEmbed(const EmbedOptions& options) {
  const LoadedModel loaded = LoadModel(options.model, nullptr);
  const Inputs texts = TextInputs(ReadTexts());
  auto given = Sized<inf_embed_options>();
  given.flags = options.raw ? INF_EMBED_RAW : 0u;
  given.pooling = options.pooling == "mean"   ? INF_POOL_MEAN
                  : options.pooling == "last" ? INF_POOL_LAST
                                              : INF_POOL_FIRST;
  given.layer = static_cast<uint32_t>(options.layer + 1);
  const Request under = RequestUnder(loaded.under, loaded.under.scales);
  given.request = under.get();
  Items items;
  Call(inf_embed, loaded.model.get(), texts.get(), &given, nullptr, items.out());
  FloatsOutput vector;
  OutItems(items, [&](uint64_t i) {
    Call(inf_items_vector, items.get(), i, vector.out());
    return List(vector.span());
  });
}

}  // namespace

Command AddClassify(CLI::App& root) {
  auto options = std::make_shared<ClassifyOptions>();
  CLI::App* app = root.add_subcommand("classify", "What follows each of many prompts");
  AddLoadOptions(*app, options->model);
  AddAdapterOption(*app, options->model);
  AddJsonFlag(*app);
  app->add_option("--label", options->labels, "A text that may follow (repeatable)")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  app->add_flag("--logits", options->logits, "Also the logits of the whole vocabulary");
  app->footer(
      "Reads a JSON string a line, all of them before the first result, and writes an object a "
      "line "
      "in\n"
      "the same order: token and text of the likeliest next token; with --label the likeliest "
      "label, "
      "its\n"
      "index and the logprobs of all labels; or an error.\n\n"
      "Example:\n"
      "  echo '\"Review: dull. Good or bad? Answer:\"' |\n"
      "      inference classify --model model.gguf --label ' good' --label ' bad'");
  return {app, [options] { RunClassify(*options); }};
}

Command AddEmbed(CLI::App& root) {
  auto options = std::make_shared<EmbedOptions>();
  CLI::App* app = root.add_subcommand("embed", "Texts as vectors: pooled hidden states");
  AddLoadOptions(*app, options->model);
  AddAdapterOption(*app, options->model);
  AddJsonFlag(*app);
  app->add_option("--pooling", options->pooling, "mean (of all tokens), last or first (cls)")
      ->check(CLI::IsMember({"mean", "last", "first", "cls"}))
      ->capture_default_str();
  app->add_option("--layer", options->layer, "Blocks that act, from 0 (default: all)")
      ->type_name("N")
      ->check(AtLeast(0));
  app->add_flag("--raw", options->raw, "Do not scale vectors to length 1");
  app->footer(
      "Reads a JSON string a line, all of them before the first result, and writes an array a line "
      "in\n"
      "the same order, or an object with an error.\n\n"
      "Example:\n"
      "  echo '\"The quick brown fox\"' | inference embed --model model.gguf --pooling last");
  return {app, [options] { RunEmbed(*options); }};
}

}  // namespace inference::tools
