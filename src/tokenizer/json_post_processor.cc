#include "tokenizer/json_parts.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr size_t kMaxFrameIds = 4096;

// "single" of a TemplateProcessing: special tokens around the text, which is {"Sequence": "A"}.
class TemplateParser {
 public:
  TemplateParser(const JsonFields& step, const Vocabulary& vocabulary)
      : step_(step), vocabulary_(vocabulary), special_(step.FindObject("special_tokens")) {}

  SpecialFrame Parse() {
    const Json* pieces = step_.FindArray("single");
    Require(pieces != nullptr, Status::kFormat, "{}: single: is missing, expected an array",
            step_.name());
    bool seen_text = false;
    SpecialFrame frame;
    for (size_t i = 0; i < pieces->size(); ++i) {
      const JsonFields piece((*pieces)[i], fmt::format("{}: single[{}]", step_.name(), i));
      if (const std::optional<JsonFields> text = piece.FindObject("Sequence")) {
        const std::string id = text->GetString("id");
        Require(id == "A" && !seen_text, Status::kFormat,
                "{}: id: is {}, expected 'A' once in the template", text->name(), Quote(id));
        seen_text = true;
        continue;
      }
      const std::optional<JsonFields> token = piece.FindObject("SpecialToken");
      Require(token.has_value(), Status::kFormat,
              "{}: has neither a Sequence nor a SpecialToken, expected one of them", piece.name());
      AppendIds(token->GetString("id"), seen_text ? frame.suffix : frame.prefix);
    }
    Require(seen_text, Status::kFormat, "{}: single: has no Sequence 'A', expected one",
            step_.name());
    return frame;
  }

 private:
  void AppendIds(const std::string& token, std::vector<int32_t>& out) const {
    const Json* entry = nullptr;
    if (special_) {
      const auto at = special_->json().find(token);
      if (at != special_->json().end()) entry = &*at;
    }
    Require(entry != nullptr, Status::kFormat, "{}: special_tokens: {} is missing", step_.name(),
            Quote(token));
    const JsonFields fields(*entry,
                            fmt::format("{}: special_tokens: {}", step_.name(), Quote(token)));
    const Json* ids = fields.FindArray("ids");
    Require(ids != nullptr, Status::kFormat, "{}: ids: is missing, expected an array",
            fields.name());
    for (const Json& id : *ids) {
      Require(id.is_number_unsigned() && id.get<uint64_t>() < INT32_MAX &&
                  vocabulary_.Has(static_cast<int64_t>(id.get<uint64_t>())),
              Status::kFormat, "{}: ids: has {}, expected integers 0..{}", fields.name(),
              Quote(id.dump()), vocabulary_.size() - 1);
      Require(out.size() < kMaxFrameIds, Status::kLimit,
              "{}: single: puts more than {} ids on one side of a text", step_.name(),
              kMaxFrameIds);
      out.push_back(static_cast<int32_t>(id.get<uint64_t>()));
    }
  }

  const JsonFields& step_;
  const Vocabulary& vocabulary_;
  std::optional<JsonFields> special_;
};

// RobertaProcessing and BertProcessing: cls, the text, sep; each as [text, id].
SpecialFrame ParsePair(const JsonFields& step, const Vocabulary& vocabulary) {
  const auto get = [&](const char* key) {
    const Json* pair = step.FindArray(key);
    Require(pair != nullptr && pair->size() == 2 && (*pair)[0].is_string() &&
                (*pair)[1].is_number_unsigned(),
            Status::kFormat, "{}: {}: is {}, expected [\"token\", id]", step.name(), key,
            pair == nullptr ? "missing" : Quote(pair->dump()));
    const uint64_t id = (*pair)[1].get<uint64_t>();
    Require(id < INT32_MAX && vocabulary.Has(static_cast<int64_t>(id)), Status::kFormat,
            "{}: {}: id is {}, expected an integer 0..{}", step.name(), key, id,
            vocabulary.size() - 1);
    return static_cast<int32_t>(id);
  };
  return {{get("cls")}, {get("sep")}};
}

}  // namespace

SpecialFrame ParsePostProcessor(const Json& json, const Vocabulary& vocabulary,
                                const std::string& file) {
  std::optional<SpecialFrame> frame;
  ForEachStep(json, file + ": post_processor", "processors",
              [&](const JsonFields& step, const std::string& type) {
                if (type == "ByteLevel") return;  // changes offsets only
                Require(!frame.has_value(), Status::kUnsupported,
                        "{}: a second processor that adds tokens is not supported", step.name());
                if (type == "TemplateProcessing") {
                  frame = TemplateParser(step, vocabulary).Parse();
                } else if (type == "RobertaProcessing" || type == "BertProcessing") {
                  frame = ParsePair(step, vocabulary);
                } else {
                  FailPart(step, type);
                }
              });
  return frame.value_or(SpecialFrame{});
}

}  // namespace inference
