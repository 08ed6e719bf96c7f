// inference logits: the logits after every id of a prompt, as a safetensors file.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>

#include "atomic_file.h"
#include "generation.h"
#include "progress.h"
#include "terminal.h"

namespace inference::tools {
namespace {

constexpr size_t kChunk = 32;  // ids a call: bounds the memory for large vocabularies

struct Options {
  ModelOptions model;
  std::string ids, out;
};

// The header of a file with one float32 tensor `logits` [rows, columns].
std::string SafetensorsHeader(uint64_t rows, uint64_t columns) {
  const Json tensor = {{"dtype", "F32"},
                       {"shape", {rows, columns}},
                       {"data_offsets", {0, rows * columns * sizeof(float)}}};
  std::string json = Dump({{"logits", tensor}});
  json.resize((json.size() + 7) / 8 * 8, ' ');
  std::string header;
  for (int byte = 0; byte < 8; ++byte) {
    header += static_cast<char>(json.size() >> (8 * byte) & 0xFF);  // little-endian
  }
  return header + json;
}

void Run(const Options& options) {
  const std::vector<inf_token> ids = ParseIds(options.ids);
  AtomicFile file(options.out);  // before the work: a path that cannot be written is seen at once
  const LoadedModel loaded = LoadModel(options.model, nullptr);
  auto desc = Sized<inf_model_desc>();
  Call(inf_model_info, loaded.model.get(), &desc);
  const Session session = NewSession(loaded);

  const std::string header = SafetensorsHeader(ids.size(), desc.vocab_size);
  file.Write(header.data(), header.size());
  FloatsOutput logits;
  Progress progress("logits");
  for (size_t at = 0; at < ids.size(); at += kChunk) {
    const auto chunk = std::span(ids).subspan(at, std::min(kChunk, ids.size() - at));
    Call(inf_session_logits, session.get(), chunk.data(), chunk.size(), nullptr, logits.out());
    if (logits.span().size() != chunk.size() * desc.vocab_size) {
      throw ApiError(INF_E_INTERNAL, fmt::format("logits: {} values for {} ids, wanted {} x {}",
                                                 logits.span().size(), chunk.size(), chunk.size(),
                                                 desc.vocab_size));
    }
    file.Write(logits.span().data(), logits.span().size_bytes());
    progress.Update(at + chunk.size(), ids.size());
  }
  file.Commit();
}

}  // namespace

Command AddLogits(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app = root.add_subcommand("logits", "Logits after every id, as a safetensors file");
  AddLoadOptions(*app, options->model);
  AddAdapterOption(*app, options->model);
  app->add_option("--ids", options->ids, "Token ids: 1,2,3")->required()->type_name("IDS");
  app->add_option("-o,--out", options->out,
                  "File to write: tensor `logits` [ids, vocabulary], float32")
      ->required()
      ->type_name("FILE");
  app->footer(
      "Example:\n"
      "  inference logits --model model.gguf --ids 1,2,3 --out logits.safetensors");
  return {app, [=] { Run(*options); }};
}

}  // namespace inference::tools
