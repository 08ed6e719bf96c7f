#include "tokenizer/tokenizer_scan.h"

#include "formats/json_scan.h"
#include "tokenizer/bpe.h"
#include "util/error.h"

namespace inference {

namespace {

class Scanner final : public JsonScan {
 public:
  Scanner(std::string_view text, const std::string& name) : JsonScan(text, name) {
    out_.vocabulary = std::make_shared<Vocabulary>(name);
  }

  TokenizerScan Scan() {
    Run();
    return std::move(out_);
  }

 private:
  enum class Where { kRest, kVocabulary, kMerges, kMergePair, kPieces, kPiece };

  bool null() override { return Put(nullptr); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(int64_t value) override {
    if (where_ == Where::kPiece) return AddScore(static_cast<double>(value));
    return where_ == Where::kVocabulary ? AddToken(value) : Put(value);
  }
  bool number_unsigned(uint64_t value) override {
    if (where_ == Where::kPiece) return AddScore(static_cast<double>(value));
    if (value > static_cast<uint64_t>(INT64_MAX)) return Put(value);
    if (where_ == Where::kVocabulary) return AddToken(static_cast<int64_t>(value));
    return Put(value);
  }
  bool number_float(double value, const std::string&) override {
    return where_ == Where::kPiece ? AddScore(value) : Put(value);
  }

  bool string(std::string& value) override {
    if (where_ == Where::kMerges) return AddMerge(value);
    if (where_ == Where::kMergePair) return AddHalf(value);
    if (where_ == Where::kPiece) return AddPiece(value);
    return Put(std::move(value));
  }

  bool start_object(size_t) override {
    if (where_ == Where::kRest && AtModelField("vocab")) {
      where_ = Where::kVocabulary;
      out_.has_vocabulary = true;
      return true;
    }
    return Open(Json::object());
  }

  bool end_object() override {
    if (where_ == Where::kVocabulary) {
      where_ = Where::kRest;
      return true;
    }
    levels_.pop_back();
    return true;
  }

  bool start_array(size_t) override {
    if (where_ == Where::kRest && AtModelField("merges")) {
      where_ = Where::kMerges;
      out_.has_merges = true;
      return true;
    }
    if (where_ == Where::kRest && AtModelField("vocab")) {
      where_ = Where::kPieces;
      out_.has_vocabulary = out_.has_scores = true;
      return true;
    }
    if (where_ == Where::kMerges || where_ == Where::kPieces) {
      where_ = where_ == Where::kMerges ? Where::kMergePair : Where::kPiece;
      if (where_ == Where::kPiece) ++pieces_;
      halves_ = 0;
      return true;
    }
    return Open(Json::array());
  }

  bool end_array() override {
    if (where_ == Where::kMergePair) {
      if (halves_ != 2) FailMerge("has " + std::to_string(halves_) + " parts");
      where_ = Where::kMerges;
    } else if (where_ == Where::kPiece) {
      if (halves_ != 2) FailPiece("has " + std::to_string(halves_) + " parts");
      where_ = Where::kPieces;
    } else if (where_ == Where::kMerges || where_ == Where::kPieces) {
      where_ = Where::kRest;
    } else {
      levels_.pop_back();
    }
    return true;
  }

  bool key(std::string& key) override {
    if (where_ == Where::kVocabulary) {
      token_ = std::move(key);
      return true;
    }
    Level& level = levels_.back();
    const auto [at, is_new] =
        level.container->get_ref<Json::object_t&>().try_emplace(std::move(key));
    if (!is_new) FailHere(Status::kFormat, "duplicate key " + Quote(at->first));
    level.key = &at->first;
    level.slot = &at->second;
    return true;
  }

  bool AddToken(int64_t id) {
    const int32_t before = out_.vocabulary->size();
    out_.vocabulary->Add(token_, id);
    if (out_.vocabulary->size() == before) {
      FailHere(Status::kFormat, "duplicate token " + Quote(token_));
    }
    return true;
  }

  bool AddPiece(std::string_view text) {
    if (halves_++ != 0) FailPiece("has a second text " + Quote(text));
    token_ = text;
    return AddToken(out_.vocabulary->size());
  }

  bool AddScore(double score) {
    if (halves_++ != 1) FailPiece("has a number where the text belongs, or two of them");
    out_.scores.push_back(score);
    return true;
  }

  [[noreturn]] void FailPiece(std::string_view what) const {
    FailHere(Status::kFormat, fmt::format("model: vocab[{}] {}, expected [\"text\", score]",
                                          pieces_ - (where_ == Where::kPiece ? 1 : 0), what));
  }

  bool AddMerge(std::string_view rule) {
    const size_t space = rule.find(' ');
    if (space == std::string_view::npos || rule.find(' ', space + 1) != std::string_view::npos) {
      FailMerge("is " + Quote(rule));
    }
    out_.merges.push_back({out_.merge_texts.size(), static_cast<uint32_t>(space),
                           static_cast<uint32_t>(rule.size() - space - 1)});
    out_.merge_texts.append(rule.substr(0, space)).append(rule.substr(space + 1));
    return CheckMergeCount();
  }

  bool AddHalf(std::string_view half) {
    if (halves_ == 0) {
      out_.merges.push_back({out_.merge_texts.size(), static_cast<uint32_t>(half.size()), 0});
    } else if (halves_ == 1) {
      out_.merges.back().right = static_cast<uint32_t>(half.size());
    }
    ++halves_;
    out_.merge_texts.append(half);
    return CheckMergeCount();
  }

  bool CheckMergeCount() {
    if (static_cast<int64_t>(out_.merges.size()) > Bpe::kMaxMerges) {
      FailHere(Status::kLimit, fmt::format("more than {} merges", Bpe::kMaxMerges));
    }
    return true;
  }

  [[noreturn]] void FailMerge(std::string_view what) const {
    const size_t begun = where_ == Where::kMergePair && halves_ > 0 ? 1 : 0;
    FailHere(Status::kFormat, fmt::format("merge #{} {}, expected \"a b\" or [\"a\",\"b\"]",
                                          out_.merges.size() - begun, what));
  }

  // Whether the value that begins now is that field of the object "model" of the root.
  bool AtModelField(std::string_view field) const {
    return levels_.size() == 2 && levels_[0].key != nullptr && *levels_[0].key == "model" &&
           levels_[1].key != nullptr && *levels_[1].key == field;
  }

  template <typename T>
  bool Put(T&& value) {
    if (where_ == Where::kVocabulary) {
      FailHere(Status::kFormat, "model: vocab: token " + Quote(token_) + " has no integer id");
    }
    if (where_ == Where::kPieces) FailPiece("is no array");
    if (where_ == Where::kPiece) FailPiece("has a part that is no text and no number");
    if (where_ == Where::kMergePair) FailMerge("has a part that is no string");
    if (where_ == Where::kMerges) FailMerge("is no string and no array");
    Place(std::forward<T>(value));
    return true;
  }

  Json* Place(Json value) {
    if (levels_.empty()) {
      out_.rest = std::move(value);
      return &out_.rest;
    }
    Level& level = levels_.back();
    if (level.container->is_array()) {
      level.container->push_back(std::move(value));
      return &level.container->back();
    }
    *level.slot = std::move(value);
    return level.slot;
  }

  bool Open(Json container) {
    if (where_ != Where::kRest) return Put(nullptr);  // no container belongs there
    if (levels_.size() == kMaxJsonDepth) {
      FailHere(Status::kLimit, fmt::format("nested deeper than {} levels", kMaxJsonDepth));
    }
    levels_.push_back({Place(std::move(container)), nullptr, nullptr});
    return true;
  }

  // A container that is still open.
  struct Level {
    Json* container;
    const std::string* key;  // of an object: the last one
    Json* slot;              // and its value
  };

  TokenizerScan out_;
  std::vector<Level> levels_;
  Where where_ = Where::kRest;
  std::string token_;  // the last key of the vocabulary
  size_t pieces_ = 0;  // begun so far
  size_t halves_ = 0;  // parts so far of the merge or piece that is being read
};

}  // namespace

TokenizerScan ScanTokenizerJson(std::string_view text, const std::string& name) {
  return Scanner(text, name).Scan();
}

}  // namespace inference
