// Every tiny checkpoint in every form, from text to text through the C ABI, against what Hugging
// Face's code gives: ids, decoded text, renderings, greedy continuations, log-probabilities.
#include <algorithm>
#include <cmath>
#include <fstream>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

using nlohmann::json;

struct Form {
  const char *model, *folder;
};

constexpr Form kForms[] = {
    {"llama-gqa", "model"},    {"llama-rope-llama3", "model"}, {"llama-mha-headdim", "model"},
    {"qwen2-bias", "model"},   {"qwen3-qknorm", "model"},      {"qwen3-qknorm", "model-sharded"},
    {"gemma2", "model"},       {"gemma3-text", "model"},       {"gemma3-text", "model-nested"},
    {"gemma3-scaled", "model"}};

// Of other weights: their logits are tested in tests/models, their text is the same.
constexpr Form kQuantisedForms[] = {{"llama-gqa", "model-mlx-4bit"},
                                    {"llama-gqa", "model-mlx-8bit"},
                                    {"qwen2-bias", "model-mlx-4bit"},
                                    {"qwen3-qknorm", "model-mlx-4bit"},
                                    {"gemma3-text", "model-mlx-4bit"}};

class GoldenText : public testing::TestWithParam<Form> {
 protected:
  const std::string root_ =
      std::string(INFERENCE_TEST_DATA "/golden/tiny/") + GetParam().model + "/";
  const json golden_ = json::parse(std::ifstream(root_ + "golden.json"));
  const Model model_ = LoadModel(root_ + GetParam().folder);
  const Tokenizer tokenizer_ = TokenizerOf(model_.get());

  static Tokenizer TokenizerOf(inf_model* model) {
    Tokenizer tokenizer;
    EXPECT_OK(inf_model_tokenizer(model, tokenizer.out(), &err));
    return tokenizer;
  }

  Ids Encode(const std::string& text, uint32_t flags = INF_ADD_SPECIAL) {
    Tokens ids;
    EXPECT_OK(inf_tokenize(tokenizer_.get(), text.data(), text.size(), flags, &ids, &err));
    return List(ids);
  }

  // Of each id after the first, given those before it.
  std::vector<double> LogProbabilities(const Ids& ids, std::vector<bool>* is_best = nullptr) {
    const Session session = NewSession(0, model_.get());
    auto desc = Sized<inf_model_desc>();
    EXPECT_OK(inf_model_info(model_.get(), &desc, &err));
    const size_t V = desc.vocab_size;
    Floats logits;
    EXPECT_OK(inf_session_logits(session.get(), ids.data(), ids.size(), nullptr, &logits, &err));
    std::vector<double> out;
    for (size_t t = 0; t + 1 < ids.size(); ++t) {
      const std::span row(logits.data + t * V, V);
      out.push_back(LogProbability(row, ids[t + 1]));
      const auto best = std::ranges::max_element(row) - row.begin();
      if (is_best != nullptr) is_best->push_back(best == ids[t + 1]);
    }
    return out;
  }

  static double LogProbability(std::span<const float> logits, inf_token id) {
    const auto top = static_cast<double>(*std::ranges::max_element(logits));
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
    return static_cast<double>(logits[static_cast<size_t>(id)]) - top - std::log(sum);
  }
};

TEST_P(GoldenText, TextToIdsAndBack) {
  ASSERT_FALSE(golden_["prompts"].empty());
  for (const json& prompt : golden_["prompts"]) {
    const Ids ids = prompt["ids"];
    EXPECT_EQ(Encode(prompt["text"]), ids) << prompt["text"];
    Text text;
    ASSERT_OK(
        inf_detokenize(tokenizer_.get(), ids.data(), ids.size(), INF_SKIP_SPECIAL, &text, &err));
    EXPECT_EQ(Str(text), prompt["decoded"]);
  }
}

TEST_P(GoldenText, Renderings) {
  ASSERT_FALSE(golden_["chats"].empty());
  for (const json& wanted : golden_["chats"]) {
    Chat chat;
    ASSERT_OK(inf_chat_new(tokenizer_.get(), chat.out(), &err));
    const std::string messages = wanted["messages"].dump();
    ASSERT_OK(inf_chat_add_json(chat.get(), messages.data(), messages.size(), &err));
    Text text;
    Tokens ids;
    ASSERT_OK(inf_chat_render(chat.get(), INF_ADD_GENERATION_PROMPT, &text, &ids, &err));
    EXPECT_EQ(Str(text), wanted["text"]);
    EXPECT_EQ(List(ids), wanted["ids"].get<Ids>());
  }
}

// Where the best two logits are this close, either may win.
constexpr double kMargin = 1e-3;

class GoldenModel : public GoldenText {};

TEST_P(GoldenModel, GreedyContinuations) {
  ASSERT_FALSE(golden_["generate"].empty());
  for (const json& wanted : golden_["generate"]) {
    const Ids prompt = Encode(wanted["prompt"]), ids = wanted["ids"];
    const Session session = NewSession(0, model_.get());
    Collector got;
    ASSERT_OK(inf_generate(session.get(),
                           NewRequest(prompt, static_cast<int32_t>(ids.size())).get(),
                           Collector::OnEvent, &got, nullptr, &err));
    ASSERT_EQ(got.ids.size(), ids.size());
    const auto [mine, theirs] = std::ranges::mismatch(got.ids, ids);
    if (mine == got.ids.end()) continue;
    Ids one = prompt, other = prompt;
    one.insert(one.end(), got.ids.begin(), mine + 1);
    other.insert(other.end(), ids.begin(), theirs + 1);
    EXPECT_LT(std::abs(LogProbabilities(one).back() - LogProbabilities(other).back()), kMargin)
        << "token " << mine - got.ids.begin() << " after " << wanted["prompt"];
  }
}

TEST_P(GoldenModel, LogProbabilitiesOfCompletionsAndTexts) {
  for (const char* kind : {"score", "rolling", "next_token"}) ASSERT_FALSE(golden_[kind].empty());
  for (const json& score : golden_["score"]) {
    const Ids ids =
        Encode(score["prompt"].get<std::string>() + score["completion"].get<std::string>());
    const Ids completion = score["ids"];
    ASSERT_TRUE(std::equal(completion.rbegin(), completion.rend(), ids.rbegin()));
    std::vector<bool> is_best;
    const std::vector<double> got = LogProbabilities(ids, &is_best);
    const std::vector<double> want = score["logprobs"];
    bool is_greedy = true;
    for (size_t i = 0; i < want.size(); ++i) {
      const size_t at = got.size() - want.size() + i;
      EXPECT_NEAR(got[at], want[i], 1e-3) << score;
      is_greedy = is_greedy && is_best[at];
    }
    EXPECT_EQ(is_greedy, score["is_greedy"].get<bool>()) << score;
  }
  for (const json& rolling : golden_["rolling"]) {
    const std::vector<double> got = LogProbabilities(rolling["ids"].get<Ids>());
    const std::vector<double> want = rolling["logprobs"];
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-3) << i;
  }
  for (const json& next : golden_["next_token"]) {
    Ids ids = Encode(next["prompt"]);
    const Ids best = next["ids"];
    const std::vector<double> want = next["logprobs"];
    ids.push_back(0);
    double of_best = 0;
    for (size_t i = 0; i < best.size(); ++i) {
      ids.back() = best[i];
      const double got = LogProbabilities(ids).back();
      EXPECT_NEAR(got, want[i], 1e-3) << "token " << best[i];
      of_best += std::exp(got);
    }
    EXPECT_NEAR(std::log1p(-of_best), next["tail_logprob"].get<double>(), 1e-3);
  }
}

std::string NameOf(const testing::TestParamInfo<Form>& test) {
  std::string name = std::string(test.param.model) + "_" + test.param.folder;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Forms, GoldenText, testing::ValuesIn(kForms), NameOf);
INSTANTIATE_TEST_SUITE_P(Quantised, GoldenText, testing::ValuesIn(kQuantisedForms), NameOf);
INSTANTIATE_TEST_SUITE_P(Forms, GoldenModel, testing::ValuesIn(kForms), NameOf);

}  // namespace
}  // namespace inference::capi_test
