// Calls on many texts: results are those of the single calls, items fail alone.
#include <cmath>
#include <numeric>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

class Many : public testing::Test {
 protected:
  Inputs Texts(const std::vector<std::string>& texts) {
    Inputs inputs;
    EXPECT_OK(inf_inputs_new(inputs.out(), &err));
    for (const std::string& text : texts) {
      EXPECT_OK(inf_inputs_add_text(inputs.get(), text.data(), text.size(),
                                    INF_ADD_SPECIAL | INF_PARSE_SPECIAL, &err));
    }
    return inputs;
  }
  Inputs TokenLists(const std::vector<Ids>& lists) {
    Inputs inputs;
    EXPECT_OK(inf_inputs_new(inputs.out(), &err));
    for (const Ids& ids : lists) {
      EXPECT_OK(inf_inputs_add_tokens(inputs.get(), ids.data(), ids.size(), &err));
    }
    return inputs;
  }
};

std::vector<float> Values(const inf_floats& floats) {
  return {floats.data, floats.data + floats.len};
}

TEST_F(Many, ScoresAreThoseOfSingleCalls) {
  const Session session = NewSession(), single = NewSession();
  const std::string prompt = "The quick brown";
  const std::vector<std::string> completions = {" fox jumps", " dog", " fox", ""};
  const Inputs contexts = Texts({prompt}), continuations = Texts(completions);
  Items items;
  ASSERT_OK(inf_score_many(session.get(), contexts.get(), continuations.get(), nullptr, items.out(),
                           &err));
  ASSERT_EQ(inf_items_count(items.get()), 4u);
  auto desc = Sized<inf_score_desc>(), want = Sized<inf_score_desc>();
  Tokens ids, want_ids;
  Floats per_token, want_per_token;
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_OK(inf_items_score(items.get(), i, &desc, &ids, &per_token, &err));
    ASSERT_OK(inf_score_text(single.get(), prompt.data(), prompt.size(), completions[i].data(),
                             completions[i].size(), nullptr, &want, &want_ids, &want_per_token,
                             &err));
    EXPECT_EQ(List(ids), List(want_ids));
    EXPECT_EQ(Values(per_token), Values(want_per_token));
    EXPECT_EQ(desc.total_logprob, want.total_logprob);
    EXPECT_EQ(desc.is_greedy, want.is_greedy);
  }
  EXPECT_FAILS(INF_E_ARG, "completion: adds no token",
               inf_items_score(items.get(), 3, &desc, nullptr, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "index: is 4, there are 4 items",
               inf_items_score(items.get(), 4, &desc, nullptr, nullptr, &err));
  Floats vector;
  EXPECT_FAILS(INF_E_ARG, "items: are no vectors", inf_items_vector(items.get(), 0, &vector, &err));
}

TEST_F(Many, PairsHaveToFit) {
  const Session session = NewSession();
  const Inputs lists = TokenLists({{480, 350}, {480, 7}}), three = Texts({"a", "b", "c"});
  const Inputs texts = Texts({"a", "b"}), none = Texts({"a"}), no_tokens = TokenLists({});
  Items items;
  EXPECT_FAILS(INF_E_ARG, "contexts: are 2, want 1 or as many as continuations, 3",
               inf_score_many(session.get(), lists.get(), three.get(), nullptr, items.out(), &err));
  ASSERT_OK(inf_score_many(session.get(), lists.get(), texts.get(), nullptr, items.out(), &err));
  EXPECT_FAILS(INF_E_ARG, "pair: one is a text and the other tokens",
               inf_items_score(items.get(), 1, nullptr, nullptr, nullptr, &err));
  Items empty;
  ASSERT_OK(inf_score_many(session.get(), none.get(), no_tokens.get(), nullptr, empty.out(), &err));
  EXPECT_EQ(inf_items_count(empty.get()), 0u);
  EXPECT_EQ(inf_items_count(nullptr), 0u);
}

TEST_F(Many, NextTokensAreThoseOfSingleCalls) {
  const Session session = NewSession(), single = NewSession();
  const std::vector<Ids> contexts = {{480, 350, 367}, {480}, {}, {480, 9, 8, 7}};
  const Inputs inputs = TokenLists(contexts);
  Items items;
  ASSERT_OK(inf_next_many(session.get(), inputs.get(), 5, nullptr, items.out(), &err));
  auto desc = Sized<inf_next_desc>(), want = Sized<inf_next_desc>();
  Tokens ids, want_ids;
  Floats logprobs, want_logprobs;
  for (const uint64_t i : {0, 1, 3}) {
    ASSERT_OK(inf_items_next(items.get(), i, &ids, &logprobs, &desc, &err));
    ASSERT_OK(inf_next_top(single.get(), contexts[i].data(), contexts[i].size(), 5, nullptr,
                           &want_ids, &want_logprobs, &want, &err));
    EXPECT_EQ(List(ids), List(want_ids));
    EXPECT_EQ(Values(logprobs), Values(want_logprobs));
    EXPECT_EQ(desc.tail_logprob, want.tail_logprob);
    EXPECT_EQ(desc.vocab_size, want.vocab_size);
  }
  EXPECT_FAILS(INF_E_ARG, "context is empty",
               inf_items_next(items.get(), 2, &ids, nullptr, nullptr, &err));
}

TEST_F(Many, ATokenThatTheTokenizerDoesNotHaveHasNoText) {
  const Inputs prompts =
      Texts({"The quick brown", "Once upon a time, in 1984,"});  // 492 of 485 tokens
  Items items;
  ASSERT_OK(
      inf_classify(SharedModel(), prompts.get(), nullptr, nullptr, 0, nullptr, items.out(), &err));
  auto desc = Sized<inf_class_desc>();
  Text text;
  ASSERT_OK(inf_items_class(items.get(), 1, &desc, &text, nullptr, &err));
  EXPECT_EQ(desc.token, 492);
  EXPECT_EQ(text.len, 0u);
  EXPECT_GE(static_cast<uint32_t>(desc.token), inf_vocab_size(SharedTokenizer()));
}

TEST_F(Many, ClassesAreTokensOrLabels) {
  inf_model* const model = SharedModel();
  const Inputs prompts = Texts({"The quick brown", "Once upon"});
  Items items;
  ASSERT_OK(inf_classify(model, prompts.get(), nullptr, nullptr, INF_CLASSIFY_LOGITS, nullptr,
                         items.out(), &err));
  auto desc = Sized<inf_class_desc>();
  Text text;
  Floats values;
  for (uint64_t i = 0; i < 2; ++i) {
    ASSERT_OK(inf_items_class(items.get(), i, &desc, &text, &values, &err));
    const std::vector<float> logits = Values(values);
    EXPECT_EQ(desc.token, std::max_element(logits.begin(), logits.end()) - logits.begin());
    EXPECT_EQ(desc.label, -1);
    EXPECT_GE(desc.tokens, 2u);
    EXPECT_GT(text.len, 0u);
  }
  const Inputs labels = Texts({" fox", " dog", " jumps"}), none = Texts({});
  Items scored;
  EXPECT_FAILS(INF_E_ARG, "flags: are 0x1, want 0 where labels are scored",
               inf_classify(model, prompts.get(), labels.get(), nullptr, INF_CLASSIFY_LOGITS,
                            nullptr, scored.out(), &err));
  EXPECT_FAILS(
      INF_E_ARG, "labels: are none",
      inf_classify(model, prompts.get(), none.get(), nullptr, 0, nullptr, scored.out(), &err));
  ASSERT_OK(
      inf_classify(model, prompts.get(), labels.get(), nullptr, 0, nullptr, scored.out(), &err));
  ASSERT_OK(inf_items_class(scored.get(), 0, &desc, &text, &values, &err));
  ASSERT_EQ(values.len, 3u);
  const std::vector<float> logprobs = Values(values);
  EXPECT_EQ(desc.label, std::max_element(logprobs.begin(), logprobs.end()) - logprobs.begin());
  EXPECT_EQ(desc.token, -1);
  EXPECT_EQ(Str(text),
            std::vector<std::string>({" fox", " dog", " jumps"})[static_cast<size_t>(desc.label)]);
}

TEST_F(Many, Vectors) {
  inf_model* const model = SharedModel();
  const Inputs texts = TokenLists({{480, 350}, {}, {7}});
  auto options = Sized<inf_embed_options>();
  Items items;
  Floats vector;
  ASSERT_OK(inf_embed(model, texts.get(), nullptr, nullptr, items.out(), &err));
  ASSERT_OK(inf_items_vector(items.get(), 0, &vector, &err));
  double squares = 0.0;
  for (const float x : Values(vector)) squares += static_cast<double>(x) * static_cast<double>(x);
  EXPECT_NEAR(squares, 1.0, 1e-6);
  EXPECT_FAILS(INF_E_ARG, "text: has no tokens", inf_items_vector(items.get(), 1, &vector, &err));
  options.layer = 99;
  Items bad;
  EXPECT_FAILS(INF_E_ARG, "layer is 98",
               inf_embed(model, texts.get(), &options, nullptr, bad.out(), &err));
  options.layer = 1;
  options.pooling = 3;
  EXPECT_FAILS(INF_E_ARG, "pooling is 3",
               inf_embed(model, texts.get(), &options, nullptr, bad.out(), &err));
  options.pooling = INF_POOL_LAST;
  options.flags = INF_EMBED_RAW;
  ASSERT_OK(inf_embed(model, texts.get(), &options, nullptr, bad.out(), &err));
  ASSERT_OK(inf_items_vector(bad.get(), 2, &vector, &err));
  EXPECT_FAILS(INF_E_HANDLE, "texts: is not a live inf_inputs",
               inf_embed(model, reinterpret_cast<const inf_inputs*>(items.get()), nullptr, nullptr,
                         bad.out(), &err));
}

}  // namespace
}  // namespace inference::capi_test
