#include "models/tensor_names.h"

#include <algorithm>
#include <array>

#include "util/error.h"

namespace inference {

namespace {

struct Prefixes {
  std::string_view decoder, head;
};
constexpr std::array<Prefixes, 3> kPrefixes = {
    {{"model.", ""}, {"language_model.model.", "language_model."}, {"model.language_model.", ""}}};
constexpr std::string_view kEmbedTokens = "embed_tokens.weight";

}  // namespace

TensorNames::TensorNames(const Checkpoint& checkpoint, std::span<const LayerName> layer_names)
    : is_gguf_(checkpoint.format == CheckpointFormat::kGguf), layer_names_(layer_names) {
  if (is_gguf_) {
    embed_tokens_ = "token_embd.weight";
    norm_ = "output_norm.weight";
    lm_head_ = "output.weight";
    layers_ = "blk.";
    Require(checkpoint.tensors.Find(embed_tokens_) != nullptr, Status::kFormat,
            "{}: tensor {}: is missing", checkpoint.path, embed_tokens_);
    return;
  }
  const auto* found = std::ranges::find_if(kPrefixes, [&](const Prefixes& prefixes) {
    return checkpoint.tensors.Find(fmt::format("{}{}", prefixes.decoder, kEmbedTokens)) != nullptr;
  });
  Require(found != kPrefixes.end(), Status::kFormat,
          "{}: tensor {}{}: is missing (also under {} and {})", checkpoint.path,
          kPrefixes[0].decoder, kEmbedTokens, kPrefixes[1].decoder, kPrefixes[2].decoder);
  embed_tokens_ = fmt::format("{}{}", found->decoder, kEmbedTokens);
  norm_ = fmt::format("{}norm.weight", found->decoder);
  lm_head_ = fmt::format("{}lm_head.weight", found->head);
  layers_ = fmt::format("{}layers.", found->decoder);
}

std::string TensorNames::Layer(int64_t layer, std::string_view role) const {
  const auto name = std::ranges::find(layer_names_, role, &LayerName::role);
  Require(name != layer_names_.end(), Status::kInternal, "no tensor name for {}", role);
  return fmt::format("{}{}.{}.weight", layers_, layer, is_gguf_ ? name->gguf : name->hf);
}

}  // namespace inference
