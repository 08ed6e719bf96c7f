// The commands of the program, and what several of them share on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "api.h"

namespace inference::tools {

// A mistake on the command line: exit code 2, and a hint at --help.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Command {
  CLI::App* app = nullptr;
  std::function<void()> run;
};

Command AddDevices(CLI::App& root);
Command AddDiscover(CLI::App& root);
Command AddEstimate(CLI::App& root);
Command AddInfo(CLI::App& root);
Command AddGenerate(CLI::App& root);
Command AddChat(CLI::App& root);
Command AddTokenize(CLI::App& root);
Command AddRender(CLI::App& root);
Command AddLogits(CLI::App& root);
Command AddScore(CLI::App& root);
Command AddRolling(CLI::App& root);
Command AddNext(CLI::App& root);
Command AddClassify(CLI::App& root);
Command AddEmbed(CLI::App& root);
Command AddBench(CLI::App& root);
Command AddQuantize(CLI::App& root);
Command AddMerge(CLI::App& root);
Command AddTune(CLI::App& root);
Command AddBatch(CLI::App& root);
Command AddDiff(CLI::App& root);

// Checks of numbers, with messages that say what is wanted.
CLI::Validator Between(double low, double high);
CLI::Validator AtLeast(int64_t low);

struct ModelOptions {
  std::string path;
  std::string device;                 // index, part of a name, or type; empty = the default device
  int64_t n_ctx = 0;                  // tokens; 0 = what the model was made for
  std::string kv_type;                // f32, f16 or q8; empty = the library's default
  std::string activations;            // f32 or int8; the same
  int64_t prefix_cache = -1;          // bytes; -1 = the library's default
  std::vector<std::string> adapters;  // DIR or DIR:SCALE
  bool allow_symlinks = false;
  bool validate_weights = false;
  bool verbose = false;
};
// All but validate_weights; and all, for commands that load the model.
void AddModelOptions(CLI::App& app, ModelOptions& options);
void AddLoadOptions(CLI::App& app, ModelOptions& options);

void AddAdapterOption(CLI::App& app, ModelOptions& options);

// --json where there is no other output: scripts may say it anywhere.
void AddJsonFlag(CLI::App& app);

void AddSymlinksFlag(CLI::App& app, bool& allow_symlinks);

struct SamplingOptions {
  int32_t max_tokens = 256;
  float temperature = 0.0f;
  uint64_t seed = 0;
  int32_t top_k = 0;
  float top_p = 0.0f;
  float min_p = 0.0f;
  float typical = 0.0f;
  float repeat_penalty = 0.0f;
  float frequency_penalty = 0.0f, presence_penalty = 0.0f;
  int32_t penalty_window = 0;
  std::string sampler_order;
  std::vector<std::string> stops, biases;  // biases as "ID=X"
  std::vector<inf_token> stop_tokens;
  bool ignore_eos = false;
  std::string overflow = "error";  // see ParseOverflow
};
void AddSamplingOptions(CLI::App& app, SamplingOptions& options);

// --tokenizer or --model: a GGUF file, or a folder with tokenizer.json.
struct TokenizerOptions {
  std::string tokenizer, model;
  bool allow_symlinks = false;
};
void AddTokenizerOptions(CLI::App& app, TokenizerOptions& options);

void AddTemplateOption(CLI::App& app, std::string& chat_template);

// "DIR" and 1, or "DIR:SCALE".
struct AdapterChoice {
  std::string path;
  float scale = 1.0f;
};
AdapterChoice ParseAdapter(const std::string& text);

// "1,2,3"; UsageError for anything else, as for the next ones.
std::vector<inf_token> ParseIds(const std::string& text);
// "5=-1.5", "5=-inf"
std::pair<inf_token, float> ParseBias(const std::string& text);
// What happens where the context outgrows the session: "error", "slide" or "keep-head:N".
struct Overflow {
  uint32_t policy = INF_OVERFLOW_ERROR;
  uint64_t keep_head = 0;
};
Overflow ParseOverflow(std::string_view text);
// "top-p,temperature" to INF_FILTER_*.
std::vector<uint8_t> ParseOrder(const std::string& text);

}  // namespace inference::tools
