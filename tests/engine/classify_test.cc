// Many prompts at once have the next token that each has alone.
#include "engine/classify.h"

#include <gtest/gtest.h>

#include "engine/tiny_models.h"

namespace inference {
namespace {

std::vector<Ids> Prompts() {
  std::vector<Ids> out;
  for (size_t i = 0; i < 40; ++i) {
    Ids prompt;
    for (size_t t = 0; t < 1 + i * 5 % 90; ++t) {
      prompt.push_back(static_cast<int32_t>((t * t * 13 + t * 7 + i * 29) % 500));
    }
    out.push_back(prompt);
  }
  return out;
}

using Spans = std::vector<std::span<const int32_t>>;

void ExpectAsAlone(const ClassifyOptions& options) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  const std::vector<Ids> prompts = Prompts();
  const auto got = Classify(model, Spans(prompts.begin(), prompts.end()), options, nullptr);
  ASSERT_EQ(got.size(), prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    Session alone(model, 0);
    const std::vector<float> logits = LogitsOf(alone, prompts[i]);
    const std::span<const float> last = std::span(logits).last(logits.size() / prompts[i].size());
    ASSERT_FALSE(got[i].error);
    if (options.sampling.temperature == 0.0f) {
      EXPECT_EQ(got[i].value.token, std::ranges::max_element(last) - last.begin())
          << "prompt " << i;
    } else {
      const auto one = Classify(model, Spans{prompts[i]}, options, nullptr);
      EXPECT_EQ(got[i].value.token, one[0].value.token) << "prompt " << i;
    }
    EXPECT_EQ(got[i].value.logits, options.wants_logits
                                       ? std::vector<float>(last.begin(), last.end())
                                       : std::vector<float>())
        << "prompt " << i;
  }
  EXPECT_EQ(model->executor().cache()->used_bytes(), 0u) << "keys and values are kept";
}

TEST(Classify, GreedyTokensAndLogitsAreThoseOfEachAlone) {
  ExpectAsAlone({});
  ExpectAsAlone({.wants_logits = true});
}

TEST(Classify, SamplesAsEachAlone) {
  ExpectAsAlone({.sampling = {.temperature = 1.5f, .top_k = 40, .top_p = 0.9f, .seed = 7}});
}

TEST(Classify, NothingInNothingOutAndAPromptFailsAlone) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  EXPECT_TRUE(Classify(model, {}, {}, nullptr).empty());
  const Ids none, good = {3, 4, 5}, bad = {99999}, longest(5000, 7);
  const auto got = Classify(model, Spans{none, good, bad, longest, good}, {}, nullptr);
  ASSERT_EQ(got.size(), 5u);
  for (const auto& [i, text] : {std::pair<size_t, const char*>{0, "text: has no tokens"},
                                {2, "token 0: id is 99999"},
                                {3, "5000 tokens do not fit"}}) {
    ASSERT_TRUE(got[i].error) << i;
    EXPECT_NE(std::string(got[i].error->what()).find(text), std::string::npos)
        << got[i].error->what();
  }
  EXPECT_FALSE(got[1].error);
  EXPECT_EQ(got[1].value.token, got[4].value.token);
}

TEST(ClassifyLabels, TheBestLabelIsTheLikeliest) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  const std::vector<Ids> prompts = Prompts(), labels = {{5}, {17, 3}, {8, 8, 8}};
  std::vector<ScoreItem> pairs;
  for (const Ids& prompt : prompts) {
    for (const Ids& label : labels) pairs.push_back({prompt, label});
  }
  const Ids none;
  pairs.push_back({prompts[0], labels[0]});
  pairs.push_back({prompts[0], none});
  pairs.push_back({prompts[0], labels[2]});
  const auto got = ClassifyLabels(model, pairs, labels.size(), {}, nullptr);
  ASSERT_EQ(got.size(), prompts.size() + 1);
  for (size_t i = 0; i < prompts.size(); ++i) {
    size_t best = 0;
    std::vector<double> want;
    for (size_t l = 0; l < labels.size(); ++l) {
      Session alone(model, 0);
      want.push_back(ScoreContinuation(alone, prompts[i], labels[l], nullptr).total);
      if (want[l] > want[best]) best = l;
    }
    EXPECT_EQ(got[i].value.logprobs, want) << "prompt " << i;
    EXPECT_EQ(got[i].value.best, best);
  }
  ASSERT_TRUE(got.back().error);
  EXPECT_NE(std::string(got.back().error->what()).find("continuation is empty"), std::string::npos);
}

}  // namespace
}  // namespace inference
