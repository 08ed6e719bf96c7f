#include "command.h"

#include <fmt/format.h>

#include <charconv>
#include <memory>

namespace inference::tools {

void AddModelOptions(CLI::App& app, ModelOptions& options) {
  app.add_option("-m,--model", options.path,
                 "GGUF file, or folder with config.json and *.safetensors")
      ->required();
  app.add_option("--device", options.device,
                 "OpenCL device: index, part of its name, or cpu|gpu|accelerator");
  app.add_option("--n-ctx", options.n_ctx, "Longest session in tokens (default: the model's own)")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--verbose", options.verbose, "Print the library's log on stderr");
}

void AddSamplingOptions(CLI::App& app, SamplingOptions& options) {
  app.add_option("--max-tokens", options.max_tokens, "Stop after this many tokens")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--temperature", options.temperature, "0 = always the likeliest token")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Same seed, same text")->capture_default_str();
  app.add_option("--top-k", options.top_k, "Draw from the K likeliest tokens (0 = off)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--top-p", options.top_p, "Draw from the likeliest tokens that sum to P (0 = off)")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--min-p", options.min_p, "Leave out tokens below P times the likeliest (0 = off)")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--repeat-penalty", options.repeat_penalty,
                 "Above 1: make tokens that were generated less likely (0 = off)")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--ignore-eos", options.ignore_eos, "Go on after an end-of-text token");
}

void AddTokenizerOptions(CLI::App& app, TokenizerOptions& options) {
  CLI::Option* model = app.add_option("-m,--model", options.model, "GGUF file or model folder");
  app.add_option("--tokenizer", options.tokenizer, "Folder with tokenizer.json, or a GGUF file")
      ->excludes(model);
}

void AddTemplateOption(CLI::App& app, std::string& chat_template) {
  app.add_option(
      "--template", chat_template,
      "Instead of the checkpoint's template: gemma|chatml|llama3|plain, or a Jinja file");
}

std::vector<inf_token> ParseIds(const std::string& text) {
  std::vector<inf_token> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    inf_token id = 0;
    const auto [stop, error] = std::from_chars(at, end, id);
    if (error != std::errc() || id < 0 || (stop != end && *stop != ',')) {
      throw UsageError(fmt::format(
          "--ids: entry {} is not a token id; wanted numbers with commas, such as 1,2,3",
          ids.size() + 1));
    }
    ids.push_back(id);
    if (stop == end) return ids;
    at = stop + 1;
  }
}

}  // namespace inference::tools
