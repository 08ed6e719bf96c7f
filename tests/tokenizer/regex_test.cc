#include "tokenizer/regex.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace inference {
namespace {

std::vector<std::string> Matches(std::string_view pattern, std::string_view text) {
  TextWork work;
  std::vector<TextRange> ranges;
  Regex(pattern, "test").FindAll(text, work, ranges);
  std::vector<std::string> out;
  for (const TextRange& r : ranges) out.emplace_back(text.substr(r.begin, r.end - r.begin));
  return out;
}

using Strings = std::vector<std::string>;

TEST(Regex, FindsWholeCodePoints) {
  EXPECT_EQ(Matches("\\p{L}+|.", "é日本1"), (Strings{"é日本", "1"}));
  EXPECT_EQ(Matches("x", ""), Strings{});
}

TEST(Regex, EmptyMatchesCountUnlessTheyTouchTheMatchBefore) {
  TextWork work;
  std::vector<TextRange> ranges;
  Regex("a*", "test").FindAll("baé", work, ranges);
  EXPECT_EQ(ranges, (std::vector<TextRange>{{0, 0}, {1, 2}, {4, 4}}));
}

TEST(Regex, OnigurumaMeanings) {
  EXPECT_EQ(Matches("\\s", "\u180E\u0085\u3000\u200B"), (Strings{"\u0085", "\u3000"}));
  EXPECT_EQ(Matches("[^\\s]+", " \u180E "), Strings{"\u180E"});
  EXPECT_EQ(Matches("\\S+", "\u3000\u180E"), Strings{"\u180E"});
  EXPECT_EQ(Matches("\\w+", "a_\u0301\u203F-"), Strings{"a_\u0301\u203F"});
  EXPECT_EQ(Matches("\\W", "a-"), Strings{"-"});
  EXPECT_EQ(Matches("\\h+\\H", "1fg"), Strings{"1fg"});
  EXPECT_EQ(Matches("[\\h_]+", "_fg"), Strings{"_f"});
  EXPECT_EQ(Matches("^a$", "b\na\nb"), Strings{"a"});  // every line
  EXPECT_EQ(Matches("(?i:'s)", "'S'\u017F"), (Strings{"'S", "'\u017F"}));
  EXPECT_EQ(Matches("[[:alpha:]]+", "ab1"), Strings{"ab"});
  EXPECT_EQ(Matches("[]a]+", "]a"), Strings{"]a"});
  EXPECT_EQ(Matches("\\w+", "a\u2160\u24B6\u00B2 [\u2460"), Strings{"a\u2160\u24B6\u00B2"});
  EXPECT_EQ(Matches("[\\w]+", "a\u2160\u24B6\u00B2"), Strings{"a\u2160\u24B6"});
  EXPECT_EQ(Matches("\\b\\w", "a e\u0301b c\u00B2d \u00B2a \u203Fx"),
            (Strings{"a", "e", "c", "\u00B2", "\u203F"}));
  EXPECT_EQ(Matches("e\\B.", "e\u0301 e!"), Strings{"e\u0301"});
  EXPECT_EQ(Matches("[[:alpha:]]+", "a\u2160\u24B6\u0345-\u0301"), Strings{"a\u2160\u24B6\u0345"});
  EXPECT_EQ(Matches("[[:alnum:]]+", "a\u0661\u00B2"), Strings{"a\u0661"});
  EXPECT_EQ(Matches("[[:upper:]]+", "A\u2160\u01C5"), Strings{"A\u2160"});
  EXPECT_EQ(Matches("[[:lower:]]+", "a\u00AA\u2170A"), Strings{"a\u00AA\u2170"});
  EXPECT_EQ(Matches("[[:punct:]]+", "!$\u00A9\u2014a"), Strings{"!$\u00A9\u2014"});
  EXPECT_EQ(Matches("[[:graph:]]+", "a\u00AD\uE000\u00A0"), Strings{"a\u00AD\uE000"});
  EXPECT_EQ(Matches("[[:print:]]+", "a \u00AD\u2028"), Strings{"a \u00AD"});
  EXPECT_EQ(Matches("[[:word:]]+", "a\u00B2"), Strings{"a"});
  EXPECT_EQ(Matches("[[:^alpha:]]+", "a1\u2160"), Strings{"1"});
  EXPECT_EQ(Matches("\\v", "\n\x0B"), Strings{"\x0B"});
  EXPECT_EQ(Matches("\\u00e9\\x41", "\u00E9A"), Strings{"\u00E9A"});
  EXPECT_EQ(Matches("a{,2}", "aaa"), (Strings{"aa", "a"}));
  EXPECT_EQ(Matches("\\p{Han}+", "\u65E5\u3001\u30FC"), Strings{"\u65E5"});  // not U+3001
  EXPECT_EQ(Matches("[a[bc]d]+", "xabcd[]"), Strings{"abcd"});
  EXPECT_EQ(Matches("[^a[bc]]+", "ax[c"), Strings{"x["});
}

TEST(Regex, SyntaxThatTheEnginesReadDifferentlyIsUnsupported) {
  for (const char* pattern :
       {"(*UTF)a",   "[a&&b]", "[a[^b]]",  "[a[b[c]]]", "[a[]b]]",       "[a-[b]]",
        "[a[-b]]",   "(?m)a",  "(?im:a)",  "[\\W]",     "\\Ga",          "\\Qa",
        "\\K",       "\\O",    "\\y",      "\\pL",      "\\xE9",         "\\cA",
        "\\o{101}",  "\\k<n>", "\\g<1>",   "\\0",       "\\i",           "a{2}+",
        "a{2,3}+",   "a{2}?",  "a(?i)b|c", "(?i:ss)",   "(?i)x[\u00DF]", "(?i:\u0149)",
        "(?x)a b",   "(?s).",  "(?|a)",    "(?#a)",     "(?P<n>a)",      "[[:^punct:]]",
        "[[:foo:]]", "[\\R]",  "[\\B]",    "\\C",       "(?<=a+)b",      "\\p{Xwd}"}) {
    ExpectError(Status::kUnsupported, {"test: pattern"}, [&] { Regex(pattern, "test"); });
  }
}

TEST(Regex, BadPatternsNameThePlace) {
  ExpectError(Status::kFormat, {"test: pattern '(a'", "missing closing parenthesis", "at byte 2"},
              [] { Regex("(a", "test"); });
  ExpectError(Status::kFormat, {"test: pattern"}, [] { Regex("a\\", "test"); });
  ExpectError(Status::kLimit, {"pattern of 100000 bytes"},
              [] { Regex(std::string(100000, 'a'), "test"); });
}

TEST(Regex, CatastrophicPatternEndsWithLimit) {
  ExpectError(Status::kLimit, {"test: pattern fails at byte 0", "match limit"},
              [] { Matches("(a|aa)+$", std::string(64, 'a') + "!"); });
}

TEST(Regex, DeepBacktrackingGetsALargerStack) {
  const std::string text(100000, 'a');
  EXPECT_EQ(Matches("(?:a|b)*c|a+", text), Strings{text});
}

}  // namespace
}  // namespace inference
