// "model" of tokenizer.json.
#include "tokenizer/bpe.h"
#include "tokenizer/json_parts.h"
#include "tokenizer/unigram.h"
#include "tokenizer/word_piece.h"

namespace inference {

namespace {

class ModelParser {
 public:
  ModelParser(const JsonFields& model, const TokenizerScan& scan, TextTokens tokens,
              bool byte_level)
      : model_(model), scan_(scan), tokens_(std::move(tokens)), byte_level_(byte_level) {}

  std::unique_ptr<const WordModel> Parse() const {
    const std::string type = model_.FindString("type").value_or(GuessType());
    if (type == "BPE") return ParseBpe();
    if (type == "Unigram") return ParseUnigram();
    if (type == "WordPiece") return ParseWordPiece();
    if (type == "WordLevel") {
      CheckVocabulary(false);
      return std::make_unique<WordLevel>(tokens_, FindUnknown("<unk>"));
    }
    FailPart(model_, type);
  }

 private:
  // Files older than the field "type".
  std::string GuessType() const {
    if (scan_.has_merges) return "BPE";
    if (scan_.has_scores) return "Unigram";
    return model_.Has("max_input_chars_per_word") ? "WordPiece" : "WordLevel";
  }

  void CheckVocabulary(bool list) const {
    Require(scan_.has_scores == list, Status::kFormat, "{}: vocab: is an {}, expected an {}",
            model_.name(), list ? "object" : "array", list ? "array" : "object");
  }

  // -1 where it is none of the model's own tokens: an error only once a word needs it.
  int32_t FindUnknown(std::string_view by_default) const {
    const Vocabulary& vocabulary = tokens_.vocabulary();
    const std::optional<std::string> text = model_.FindString("unk_token");
    const std::optional<int32_t> id =
        text ? vocabulary.Get(*text, model_.name() + ": unk_token") : vocabulary.Find(by_default);
    return id && !vocabulary.IsOnlyAdded(*id) ? *id : -1;
  }

  std::unique_ptr<const WordModel> ParseBpe() const {
    CheckVocabulary(false);
    Require(scan_.has_merges, Status::kFormat, "{}: merges: is missing, expected an array",
            model_.name());
    Require(model_.FindFloat("dropout", 0, 1).value_or(0) == 0, Status::kUnsupported,
            "{}: dropout: is not supported", model_.name());
    BpeOptions options;
    options.byte_level = byte_level_;
    options.byte_fallback = model_.FindBool("byte_fallback").value_or(false);
    options.ignore_merges = model_.FindBool("ignore_merges").value_or(false);
    options.fuse_unk = model_.FindBool("fuse_unk").value_or(false);
    options.prefix = model_.FindString("continuing_subword_prefix").value_or("");
    options.suffix = model_.FindString("end_of_word_suffix").value_or("");
    CheckLength(model_, "continuing_subword_prefix", options.prefix);
    CheckLength(model_, "end_of_word_suffix", options.suffix);
    if (model_.Has("unk_token")) options.unk_id = FindUnknown("");
    auto bpe = std::make_unique<Bpe>(tokens_, options);
    const std::string_view texts = scan_.merge_texts;
    uint32_t rank = 0;
    for (const TokenizerScan::Merge& merge : scan_.merges) {
      bpe->AddMerge(texts.substr(merge.offset, merge.left),
                    texts.substr(merge.offset + merge.left, merge.right), rank++);
    }
    return bpe;
  }

  std::unique_ptr<const WordModel> ParseUnigram() const {
    CheckVocabulary(true);
    Require(!scan_.scores.empty(), Status::kFormat,
            "{}: vocab: is empty, expected at least one token", model_.name());
    UnigramOptions options;
    options.byte_fallback = model_.FindBool("byte_fallback").value_or(false);
    const auto last = static_cast<int64_t>(scan_.scores.size()) - 1;
    options.unk_id = static_cast<int32_t>(model_.FindInt("unk_id", 0, last).value_or(-1));
    return std::make_unique<Unigram>(tokens_, scan_.scores, options);
  }

  std::unique_ptr<const WordModel> ParseWordPiece() const {
    CheckVocabulary(false);
    WordPieceOptions options;
    options.prefix = model_.FindString("continuing_subword_prefix").value_or("##");
    CheckLength(model_, "continuing_subword_prefix", options.prefix);
    options.max_characters =
        static_cast<size_t>(model_.FindInt("max_input_chars_per_word", 0, INT32_MAX).value_or(100));
    options.unk_id = FindUnknown("[UNK]");
    return std::make_unique<WordPiece>(tokens_, std::move(options));
  }

  const JsonFields& model_;
  const TokenizerScan& scan_;
  TextTokens tokens_;
  bool byte_level_;
};

}  // namespace

std::unique_ptr<const WordModel> ParseModel(const JsonFields& model, const TokenizerScan& scan,
                                            TextTokens tokens, bool byte_level) {
  return ModelParser(model, scan, std::move(tokens), byte_level).Parse();
}

}  // namespace inference
