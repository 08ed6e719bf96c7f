#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

#include "support/expect_error.h"
#include "util/utf8.h"

namespace inference {
namespace {

struct Given {
  std::string text;
  std::optional<size_t> found;
  bool operator==(const Given&) const = default;
};

Given Match(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher(stops);
  Given given;
  for (const std::string& piece : pieces) {
    given.text += matcher.Push(piece);
    EXPECT_TRUE(IsValidUtf8(given.text)) << Quote(given.text);
  }
  if (!matcher.found()) given.text += matcher.Flush();
  given.found = matcher.found();
  return given;
}

// The definition: the first end of any stop string, of those that end there the longest.
Given Reference(const std::vector<std::string>& stops, const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::optional<size_t> found;
    for (size_t i = 0; i < stops.size(); ++i) {
      const bool ends = std::string_view(text).substr(0, end).ends_with(stops[i]);
      if (ends && (!found || stops[i].size() > stops[*found].size())) found = i;
    }
    if (found) return {text.substr(0, end - stops[*found].size()), found};
  }
  return {text, {}};
}

TEST(StopMatcherTest, FindsWhatIsInOnePiece) {
  EXPECT_EQ(Match({"END"}, {"some END of it"}), (Given{"some ", 0}));
  EXPECT_EQ(Match({"END"}, {"END"}), (Given{"", 0}));
  EXPECT_EQ(Match({"x", "END"}, {"the END, x"}), (Given{"the ", 1}));
  EXPECT_EQ(Match({"END"}, {"EN", "d", " EN"}), (Given{"ENd EN", {}}));
  EXPECT_EQ(Match({}, {"any", "thing"}), (Given{"anything", {}}));
}

TEST(StopMatcherTest, FindsWhatSpansPieces) {
  EXPECT_EQ(Match({"\n\nUser:"}, {"Hello", ".\n", "\nUs", "er", ": hi"}), (Given{"Hello.", 0}));
  EXPECT_EQ(Match({"aab"}, {"a", "a", "a", "b"}), (Given{"a", 0}));
  EXPECT_EQ(Match({"abab"}, {"aba", "ab", "ab"}), (Given{"aba", 0}));
  EXPECT_EQ(Match({"abcabd"}, {"abcabcabd"}), (Given{"abc", 0}));
}

TEST(StopMatcherTest, OfSeveralTheFirstToEndCountsThenTheLongest) {
  EXPECT_EQ(Match({"abcd", "bc"}, {"xabcd"}), (Given{"xa", 1}));
  EXPECT_EQ(Match({"c", "abc", "bc"}, {"xabc"}), (Given{"x", 1}));
  EXPECT_EQ(Match({"bc", "abcd"}, {"ab", "d", "abcd"}), (Given{"abda", 0}));
}

TEST(StopMatcherTest, GivesTextAsSoonAsItIsSafe) {
  StopMatcher matcher({"stop", "top secret"});
  EXPECT_EQ(matcher.Push("we s"), "we ");
  EXPECT_EQ(matcher.Push("t"), "");
  EXPECT_EQ(matcher.Push("ep s"), "step ");
  EXPECT_EQ(matcher.Push("to"), "");
  EXPECT_EQ(matcher.Push("r"), "stor");
  EXPECT_EQ(matcher.Push(" top"), " ");
  EXPECT_EQ(matcher.Push(" se"), "");
  EXPECT_EQ(matcher.Flush(), "top se");
  EXPECT_EQ(matcher.Flush(), "");
  EXPECT_FALSE(matcher.found());
}

TEST(StopMatcherTest, GivesNothingAfterTheStop) {
  StopMatcher matcher({"."});
  EXPECT_EQ(matcher.Push("One. Two"), "One");
  EXPECT_EQ(matcher.found(), 0u);
  EXPECT_EQ(matcher.Push("Three"), "");
  EXPECT_EQ(matcher.Flush(), "");
}

// The first bytes of these code points are alike.
TEST(StopMatcherTest, CodePointsStayWhole) {
  EXPECT_EQ(Match({"é"}, {"è", "ê", "é"}), (Given{"èê", 0}));
  EXPECT_EQ(Match({"日本"}, {"日", "月", "日", "本"}), (Given{"日月", 0}));
  StopMatcher matcher({"日本"});
  EXPECT_EQ(matcher.Push("x日"), "x");
  EXPECT_EQ(matcher.Flush(), "日");
}

TEST(StopMatcherTest, RefusesWhatIsNoText) {
  ExpectError(Status::kArg, {"stop: is empty"}, [] { StopMatcher({"a", ""}); });
  ExpectError(Status::kArg, {"stop: ", "is not UTF-8"}, [] { StopMatcher({"\xC3"}); });
}

TEST(StopMatcherTest, RandomTextsInRandomPieces) {
  std::mt19937 random(7);
  const std::vector<std::string> letters = {"a", "b", "é", "è", "日"};
  const auto word = [&](size_t most, size_t alphabet) {
    std::string out;
    for (size_t n = 1 + random() % most; n > 0; --n) out += letters[random() % alphabet];
    return out;
  };
  int found = 0;
  for (int round = 0; round < 10000; ++round) {
    const size_t alphabet = 2 + random() % 4;
    std::vector<std::string> stops(1 + random() % 3), pieces(random() % 12);
    for (std::string& stop : stops) stop = word(5, alphabet);
    std::string text;
    for (std::string& piece : pieces) text += piece = random() % 5 == 0 ? "" : word(4, alphabet);
    const Given given = Match(stops, pieces);
    ASSERT_EQ(given, Reference(stops, text)) << "round " << round << ": " << text;
    found += given.found.has_value() ? 1 : 0;
  }
  EXPECT_GT(found, 3000);
  EXPECT_LT(found, 9900);
}

}  // namespace
}  // namespace inference
