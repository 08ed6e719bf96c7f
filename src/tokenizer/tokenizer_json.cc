// tokenizer.json of Hugging Face tokenizers, and the small files beside it.
#include <algorithm>

#include "tokenizer/json_parts.h"
#include "tokenizer/text_folder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/tokenizer_scan.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr uint64_t kMaxTokenizerBytes = uint64_t{256} << 20;
constexpr size_t kMaxEndIds = 4096;

const Json& FieldOf(const Json& root, const char* key) {
  static const Json nothing;
  const auto at = root.find(key);
  return at == root.end() ? nothing : *at;
}

class FolderLoader {
 public:
  explicit FolderLoader(const TextFolder& files)
      : files_(files),
        folder_(files.folder()),
        file_(folder_.path + "/tokenizer.json"),
        parts_(std::make_unique<TokenizerParts>()) {}

  std::shared_ptr<const Tokenizer> Load() {
    const std::string text =
        ReadTextFile(File::OpenIn(folder_, "tokenizer.json"), kMaxTokenizerBytes);
    TokenizerScan scan = ScanTokenizerJson(text, file_);
    const JsonFields root(scan.rest, file_);
    const std::optional<JsonFields> model = root.FindObject("model");
    Require(model.has_value(), Status::kFormat, "{}: model: is missing, expected an object", file_);
    Require(scan.has_vocabulary, Status::kFormat, "{}: vocab: is missing, expected the tokens",
            model->name());
    scan.vocabulary->EndModel();
    std::vector<AddedToken> added = ReadAddedTokens(root, *scan.vocabulary);
    scan.vocabulary->Finish();
    parts_->vocabulary = scan.vocabulary;
    parts_->special.assign(static_cast<size_t>(scan.vocabulary->size()), false);
    for (const AddedToken& token : added) {
      if (token.special) parts_->special[static_cast<size_t>(token.id)] = true;
    }
    std::vector<PreTokenizerStep> words =
        ParsePreTokenizer(FieldOf(scan.rest, "pre_tokenizer"), file_);
    parts_->model =
        ParseModel(*model, scan, TextTokens(scan.vocabulary, parts_->special),
                   !words.empty() && words.back().kind == PreTokenizerStep::Kind::kByteLevel);
    parts_->normalizer = Normalizer(ParseNormalizer(FieldOf(scan.rest, "normalizer"), file_));
    parts_->pre_tokenizer = PreTokenizer(std::move(words));
    parts_->decoder = std::make_unique<Decoder>(ParseDecoder(FieldOf(scan.rest, "decoder"), file_),
                                                file_ + ": decoder");
    SpecialFrame frame =
        ParsePostProcessor(FieldOf(scan.rest, "post_processor"), *parts_->vocabulary, file_);
    parts_->prefix = std::move(frame.prefix);
    parts_->suffix = std::move(frame.suffix);
    AddTokens(added, *parts_);
    ReadSmallFiles();
    FinishEndIds(*parts_);
    return std::make_shared<const Tokenizer>(std::move(parts_));
  }

 private:
  // Also puts them into the vocabulary.
  std::vector<AddedToken> ReadAddedTokens(const JsonFields& root, Vocabulary& vocabulary) const {
    std::vector<AddedToken> tokens;
    const Json* list = root.FindArray("added_tokens");
    if (list == nullptr) return tokens;
    for (size_t i = 0; i < list->size(); ++i) {
      const JsonFields fields((*list)[i], fmt::format("{}: added_tokens[{}]", file_, i));
      AddedToken token;
      token.content = fields.GetString("content");
      Require(!token.content.empty(), Status::kFormat, "{}: content: is empty, expected text",
              fields.name());
      token.id = static_cast<int32_t>(fields.GetInt("id", 0, Vocabulary::kMaxTokens - 1));
      token.special = fields.FindBool("special").value_or(false);
      token.lstrip = fields.FindBool("lstrip").value_or(false);
      token.rstrip = fields.FindBool("rstrip").value_or(false);
      token.normalized = fields.FindBool("normalized").value_or(!token.special);
      token.single_word = fields.FindBool("single_word").value_or(false);
      vocabulary.Add(token.content, token.id);
      tokens.push_back(std::move(token));
    }
    return tokens;
  }

  // The later file wins for bos and eos; every eos id ends a text.
  void ReadSmallFiles() {
    for (const JsonFields* fields : {files_.special_tokens_map(), files_.tokenizer_config()}) {
      if (fields == nullptr) continue;
      ReadTokenField(*fields, "bos_token", parts_->bos);
      ReadTokenField(*fields, "eos_token", parts_->eos);
    }
    ReadGenerationConfig();
  }

  // A token as its text or as {"content": text}.
  void ReadTokenField(const JsonFields& fields, const char* key,
                      std::optional<int32_t>& out) const {
    if (!fields.Has(key)) return;
    const Json& value = fields.json().at(key);
    const std::string text =
        value.is_object() ? JsonFields(value, fields.name() + ": " + key).GetString("content")
                          : fields.GetString(key);
    if (!text.empty()) out = parts_->vocabulary->Get(text, fields.name() + ": " + key);
  }

  // eos_token_id is an id or a list of ids; ids past the vocabulary (padding rows) end nothing.
  void ReadGenerationConfig() {
    constexpr const char* kName = "generation_config.json";
    if (!folder_.Has(kName)) return;
    const std::string path = folder_.path + "/" + kName;
    const Json json = ReadJsonFile(File::OpenIn(folder_, kName), kMaxTextConfigBytes);
    const JsonFields fields(json, path);
    if (!fields.Has("eos_token_id")) return;
    const Json& value = json.at("eos_token_id");
    const Json list = value.is_array() ? value : Json::array({value});
    Require(list.size() <= kMaxEndIds, Status::kLimit,
            "{}: eos_token_id: has {} ids, expected at most {}", path, list.size(), kMaxEndIds);
    for (const Json& id : list) {
      Require(id.is_number_unsigned() && id.get<uint64_t>() <= INT32_MAX, Status::kFormat,
              "{}: eos_token_id: has {}, expected token ids", path, Quote(id.dump()));
      const auto number = static_cast<int32_t>(id.get<uint64_t>());
      if (parts_->vocabulary->Has(number)) parts_->end_ids.push_back(number);
    }
  }

  const TextFolder& files_;
  const Folder& folder_;
  std::string file_;
  std::unique_ptr<TokenizerParts> parts_;
};

}  // namespace

std::shared_ptr<const Tokenizer> LoadTokenizerFolder(const TextFolder& folder) {
  return FolderLoader(folder).Load();
}

}  // namespace inference
