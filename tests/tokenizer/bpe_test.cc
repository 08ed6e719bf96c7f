#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <random>

#include "support/expect_error.h"

namespace inference {
namespace {

struct Rule {
  std::string left;
  std::string right;
};

// The definition: while there is a rule for two neighbours, merge the first pair of the best rule.
std::vector<std::string> MergeSlowly(std::vector<std::string> parts,
                                     const std::vector<Rule>& rules) {
  for (size_t r = 0; r < rules.size(); ++r) {
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      if (parts[i] != rules[r].left || parts[i + 1] != rules[r].right) continue;
      parts[i] += parts[i + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      return MergeSlowly(std::move(parts), rules);
    }
  }
  return parts;
}

TEST(Bpe, EqualsTheDefinitionOnRandomRules) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    const bool long_word = round % 3 == 0;  // is cut where no rule joins
    auto vocabulary = std::make_shared<Vocabulary>("test");
    std::vector<std::string> tokens = {"a", "b", "c"};
    if (long_word) tokens.insert(tokens.end(), {"d", "e", "f"});
    const size_t letters = tokens.size();
    std::vector<Rule> rules;
    for (size_t i = 0; i < tokens.size(); ++i) vocabulary->Add(tokens[i], static_cast<int64_t>(i));
    for (int i = 0; i < 12; ++i) {
      const Rule rule{tokens[random() % tokens.size()], tokens[random() % tokens.size()]};
      if (vocabulary->Find(rule.left + rule.right)) continue;
      rules.push_back(rule);
      tokens.push_back(rule.left + rule.right);
      vocabulary->Add(tokens.back(), static_cast<int64_t>(tokens.size()) - 1);
    }
    vocabulary->Finish();
    Bpe bpe(TextTokens(vocabulary, std::vector<bool>(tokens.size())), {});
    for (uint32_t r = 0; r < rules.size(); ++r) bpe.AddMerge(rules[r].left, rules[r].right, r);
    std::string word;
    std::vector<std::string> characters;
    for (size_t i = long_word ? 65 + random() % 100 : random() % 30; i-- > 0;) {
      word.push_back(static_cast<char>('a' + random() % letters));
      characters.emplace_back(1, word.back());
    }
    ModelScratch scratch;
    std::vector<int32_t> ids;
    bpe.Encode(word, scratch, ids);
    std::vector<std::string> parts;
    for (const int32_t id : ids) parts.emplace_back(vocabulary->Text(id));
    ASSERT_EQ(parts, MergeSlowly(characters, rules)) << word;
  }
}

TEST(Bpe, ACharacterWithoutTokenIsAnErrorWhereThereIsNoUnknownToken) {
  auto vocabulary = std::make_shared<Vocabulary>("t.json");
  vocabulary->Add("a", 0);
  vocabulary->Finish();
  const Bpe bpe(TextTokens(vocabulary, {false}), {});
  ModelScratch scratch;
  std::vector<int32_t> ids;
  ExpectError(Status::kArg, {"t.json: U+00E9 of the text is not in the vocabulary"},
              [&] { bpe.Encode("aé", scratch, ids); });
}

}  // namespace
}  // namespace inference
