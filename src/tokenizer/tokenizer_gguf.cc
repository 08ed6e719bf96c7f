// tokenizer.ggml.* of GGUF files (github.com/ggml-org/ggml/blob/master/docs/gguf.md).
#include <algorithm>
#include <cmath>

#include "tokenizer/bpe.h"
#include "tokenizer/gguf_pre.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_parts.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kTypes = "tokenizer.ggml.token_type";
constexpr std::string_view kScores = "tokenizer.ggml.scores";
constexpr std::string_view kMerges = "tokenizer.ggml.merges";
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581 stands for a space

enum TokenType : int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

class GgufLoader {
 public:
  explicit GgufLoader(const GgufMetadata& metadata)
      : metadata_(metadata), path_(metadata.path()), parts_(std::make_unique<TokenizerParts>()) {}

  std::shared_ptr<const Tokenizer> Load() {
    const std::string& model = metadata_.GetString("tokenizer.ggml.model");
    sentence_piece_ = model == "llama";
    Require(sentence_piece_ || model == "gpt2", Status::kUnsupported,
            "{}: tokenizer.ggml.model: {} is not supported, expected 'gpt2' or 'llama'", path_,
            Quote(model));
    ReadTokens();
    bos_ = FindId("tokenizer.ggml.bos_token_id");
    eos_ = FindId("tokenizer.ggml.eos_token_id");
    if (sentence_piece_) {
      LoadSentencePiece();
    } else {
      LoadByteLevel();
    }
    AddSpecialTokens();
    return std::make_shared<const Tokenizer>(std::move(parts_));
  }

 private:
  void ReadTokens() {
    const std::vector<std::string>* tokens = metadata_.FindStrings(kTokens);
    Require(tokens != nullptr, Status::kFormat, "{}: {}: is missing, expected an array of strings",
            path_, kTokens);
    types_ = metadata_.FindInts(kTypes);
    Require(types_ == nullptr || types_->size() == tokens->size(), Status::kFormat,
            "{}: {}: has {} elements, expected {} as {}", path_, kTypes,
            types_ == nullptr ? 0 : types_->size(), tokens->size(), kTokens);
    auto vocabulary = std::make_shared<Vocabulary>(path_);
    for (size_t i = 0; i < tokens->size(); ++i) {
      const std::string& text = (*tokens)[i];
      Require(IsValidUtf8(text), Status::kFormat, "{}: {}: element {} is {}, expected UTF-8", path_,
              kTokens, i, Quote(text));
      const int64_t type = TypeOf(i);
      Require(type >= 0 && type <= kByte, Status::kFormat,
              "{}: {}: element {} is {}, expected an integer 0..{}", path_, kTypes, i, type,
              static_cast<int64_t>(kByte));
      Require(type != kByte || ParseByteToken(text), Status::kFormat,
              "{}: {}: element {} is {}, expected a byte as '<0x0A>'", path_, kTokens, i,
              Quote(text));
      vocabulary->AddAllowingRepeats(text, static_cast<int64_t>(i));
    }
    vocabulary->Finish();
    parts_->vocabulary = vocabulary;
    for (size_t i = 0; i < tokens->size(); ++i) {
      parts_->special.push_back(TypeOf(i) == kControl || TypeOf(i) == kUnknown);
    }
  }

  int64_t TypeOf(size_t id) const { return types_ == nullptr ? kNormal : (*types_)[id]; }

  std::optional<int32_t> FindId(std::string_view key) const {
    const std::optional<int64_t> id =
        metadata_.FindInt(key, 0, int64_t{parts_->vocabulary->size()} - 1);
    if (!id) return std::nullopt;
    return static_cast<int32_t>(*id);
  }

  // Control tokens are special; user-defined ones are matched as well.
  void AddSpecialTokens() {
    std::vector<AddedToken> added;
    TextWork work;
    for (int32_t id = 0; id < parts_->vocabulary->size(); ++id) {
      const int64_t type = TypeOf(static_cast<size_t>(id));
      AddedToken token;
      token.content = parts_->vocabulary->Text(id);
      token.id = id;
      token.special = parts_->special[static_cast<size_t>(id)];
      if (token.content.empty() || (!token.special && type != kUserDefined)) continue;
      const size_t space = sentence_piece_ ? token.content.find(' ') : std::string::npos;
      if (space == std::string::npos) {
        added.push_back(std::move(token));
        continue;
      }
      // A run of spaces may come from U+2581 in the text as well: found when all are U+2581.
      token.content = Replacement(" ", std::string(kSpace)).Apply(token.content, work);
      parts_->normalized_added.Add(token, path_);
    }
    AddTokens(added, *parts_);
    parts_->bos = bos_;
    parts_->eos = eos_;
    for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
      if (const std::optional<int32_t> id = FindId(key)) parts_->end_ids.push_back(*id);
    }
    FinishEndIds(*parts_);
  }

  void AddBosAndEos(bool bos_by_default) {
    const auto add = [&](const char* key, bool by_default, const std::optional<int32_t>& id,
                         const char* id_key, std::vector<int32_t>& ids) {
      const std::optional<bool> wanted = metadata_.FindBool(key);
      Require(!wanted.value_or(false) || id.has_value(), Status::kFormat,
              "{}: {}: is true, but {} is missing", path_, key, id_key);
      if (wanted.value_or(by_default) && id) ids.push_back(*id);
    };
    add("tokenizer.ggml.add_bos_token", bos_by_default, bos_, "tokenizer.ggml.bos_token_id",
        parts_->prefix);
    add("tokenizer.ggml.add_eos_token", false, eos_, "tokenizer.ggml.eos_token_id", parts_->suffix);
  }

  void LoadByteLevel() {
    const std::string* pre = metadata_.FindString("tokenizer.ggml.pre");
    GgufPre rules = FindGgufPre(pre == nullptr ? "default" : *pre, path_);
    parts_->normalizer = Normalizer(std::move(rules.normalizer));
    parts_->pre_tokenizer = PreTokenizer(std::move(rules.pre_tokenizer));
    BpeOptions options;
    options.byte_level = true;
    options.ignore_merges = rules.ignore_merges;
    auto bpe = std::make_unique<Bpe>(TextTokens(parts_->vocabulary, parts_->special), options);
    const std::vector<std::string>* merges = metadata_.FindStrings(kMerges);
    Require(merges != nullptr, Status::kFormat, "{}: {}: is missing, expected an array of strings",
            path_, kMerges);
    for (size_t rank = 0; rank < merges->size(); ++rank) {
      const std::string_view rule = (*merges)[rank];
      const size_t space = rule.find(' ', 1);
      Require(space != std::string_view::npos, Status::kFormat,
              "{}: {}: merge #{} is {}, expected two tokens with a space between", path_, kMerges,
              rank, Quote(rule));
      bpe->AddMerge(rule.substr(0, space), rule.substr(space + 1), static_cast<uint32_t>(rank));
    }
    parts_->model = std::move(bpe);
    DecoderStep step;
    step.kind = DecoderStep::Kind::kByteLevel;
    parts_->decoder = std::make_unique<Decoder>(std::vector<DecoderStep>{step}, path_);
    AddBosAndEos(rules.add_bos);
  }

  // Spaces become U+2581; any two neighbours whose joined text is a token may merge, the best score
  // first. That is BPE with ranks in the order of the scores.
  void LoadSentencePiece() {
    const std::vector<double>* scores = metadata_.FindFloats(kScores);
    const auto size = static_cast<size_t>(parts_->vocabulary->size());
    Require(scores != nullptr && scores->size() == size, Status::kFormat,
            "{}: {}: has {} elements, expected {} as {}", path_, kScores,
            scores == nullptr ? 0 : scores->size(), size, kTokens);
    const bool prefix = metadata_.FindBool("tokenizer.ggml.add_space_prefix").value_or(true);
    std::vector<NormalizerStep> normalizer;
    NormalizerStep step;
    if (prefix) {
      step.kind = NormalizerStep::Kind::kPrepend;
      step.prefix = kSpace;
      normalizer.push_back(step);
    }
    step.kind = NormalizerStep::Kind::kReplace;
    step.replacement.emplace(" ", std::string(kSpace));
    normalizer.push_back(step);
    parts_->normalizer = Normalizer(std::move(normalizer));
    BpeOptions options;
    options.byte_fallback = true;
    options.unk_id = FindId("tokenizer.ggml.unknown_token_id").value_or(-1);
    auto bpe = std::make_unique<Bpe>(TextTokens(parts_->vocabulary, parts_->special), options);
    AddMergesByScore(*scores, *bpe);
    parts_->model = std::move(bpe);
    parts_->decoder = std::make_unique<Decoder>(SentencePieceDecoder(prefix), path_);
    AddBosAndEos(true);
  }

  static std::vector<DecoderStep> SentencePieceDecoder(bool strip_prefix) {
    std::vector<DecoderStep> steps(3);
    steps[0].kind = DecoderStep::Kind::kReplace;
    steps[0].replacement.emplace(std::string(kSpace), " ");
    steps[1].kind = DecoderStep::Kind::kByteFallback;
    steps[2].kind = DecoderStep::Kind::kFuse;
    if (strip_prefix) {
      DecoderStep strip;
      strip.kind = DecoderStep::Kind::kStrip;
      strip.content = " ";
      strip.strip_start = 1;
      steps.push_back(strip);
    }
    return steps;
  }

  void AddMergesByScore(const std::vector<double>& scores, Bpe& bpe) {
    std::vector<int32_t> order;  // tokens that merges may make, best first
    for (size_t id = 0; id < scores.size(); ++id) {
      Require(!std::isnan(scores[id]), Status::kFormat, "{}: {}: element {} is NaN", path_, kScores,
              id);
      if (TypeOf(id) == kNormal) order.push_back(static_cast<int32_t>(id));
    }
    const auto score = [&](int32_t id) { return scores[static_cast<size_t>(id)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return score(a) > score(b); });
    uint32_t rank = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && score(order[i]) != score(order[i - 1])) ++rank;
      AddMergesInto(order[i], rank, bpe);
    }
  }

  // A rule for each way to cut the token into two tokens of the normal type. The limit: each way
  // looks at the whole token.
  void AddMergesInto(int32_t id, uint32_t rank, Bpe& bpe) {
    const std::string_view text = parts_->vocabulary->Text(id);
    Require(text.size() <= kMaxPieceBytes, Status::kLimit,
            "{}: {}: element {} has {} bytes, expected at most {}", path_, kTokens, id, text.size(),
            kMaxPieceBytes);
    const auto normal = [&](std::string_view half) -> std::optional<int32_t> {
      const std::optional<int32_t> found = parts_->vocabulary->Find(half);
      if (found && TypeOf(static_cast<size_t>(*found)) == kNormal) return found;
      return std::nullopt;
    };
    if (parts_->vocabulary->Find(text) != id) return;  // a repeat: the first id stands for the text
    for (size_t at = 0; at < text.size();) {
      at += DecodeUtf8(text, at).length;
      if (at >= text.size()) break;
      const std::optional<int32_t> left = normal(text.substr(0, at));
      if (!left) continue;
      if (const std::optional<int32_t> right = normal(text.substr(at))) {
        bpe.AddMerge(*left, *right, rank, id);
      }
    }
  }

  const GgufMetadata& metadata_;
  const std::string& path_;
  std::unique_ptr<TokenizerParts> parts_;
  const std::vector<int64_t>* types_ = nullptr;
  bool sentence_piece_ = false;
  std::optional<int32_t> bos_;
  std::optional<int32_t> eos_;
};

}  // namespace

std::shared_ptr<const Tokenizer> LoadTokenizerGguf(const GgufMetadata& metadata) {
  return GgufLoader(metadata).Load();
}

}  // namespace inference
