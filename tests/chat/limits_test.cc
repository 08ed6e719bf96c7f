// Hostile templates: every one ends with a TEMPLATE error, soon, on a small stack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <chrono>
#include <functional>
#include <string>

#include "chat/chat_template.h"
#include "support/expect_error.h"
#include "util/error.h"

namespace inference {
namespace {

std::string Repeat(std::string_view unit, size_t times) {
  std::string out;
  out.reserve(unit.size() * times);
  for (size_t i = 0; i < times; ++i) out += unit;
  return out;
}

std::string Render(const std::string& source,
                   const OrderedJson& variables = OrderedJson::object()) {
  return ChatTemplate::Parse(source, "t").Render(variables);
}

void ExpectTemplateError(const std::string& source, std::string_view part) {
  const auto started = std::chrono::steady_clock::now();
  ExpectError(Status::kTemplate, {"t:", part}, [&] {
    try {
      Render(source);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::MatchesRegex("t:[0-9]+:[0-9]+: (.|\n)+"));
      throw;
    }
  });
  const auto taken = std::chrono::steady_clock::now() - started;
  EXPECT_LT(taken, std::chrono::seconds(10)) << source.substr(0, 80);
}

// Sanitizers make frames several times larger.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kStackBytes = 2 << 20;
#else
constexpr size_t kStackBytes = 256 << 10;
#endif

void OnSmallStack(std::function<void()> body) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kStackBytes), 0);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    (*static_cast<std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &body), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(TemplateLimits, DepthWhileParsing) {
  OnSmallStack([] {
    const size_t n = 100'000;
    for (const char* open : {"(", "[", "{'a':", "f(", "x[", "1 if (", "not (", "-(", "x|f(",
                             "a or b and c == d + e ~ f * g ** -("}) {
      ExpectTemplateError("{{ " + Repeat(open, n / 10) + " }}", "");
    }
    ExpectTemplateError("{{ " + Repeat("(", n) + "1" + Repeat(")", n) + " }}", "depth > 100");
    ExpectTemplateError("{{ " + Repeat("a or (", n) + "1" + Repeat(")", n) + " }}", "depth > 100");
    ExpectTemplateError("{{ " + Repeat("1 if 0 else ", n / 2) + "1 }}", "depth > 100");
    ExpectTemplateError(Repeat("{% if 1 %}", 10'000) + Repeat("{% endif %}", 10'000),
                        "depth > 100");
    ExpectTemplateError(Repeat("{% for x in y %}", 10'000), "depth > 100");
    ExpectTemplateError(Repeat("{% macro m() %}", 10'000), "depth > 100");
    ExpectTemplateError(Repeat("{% set x %}", 10'000), "depth > 100");
    ExpectTemplateError("{% set " + Repeat("(", n) + "x" + Repeat(")", n) + " = 1 %}",
                        "depth > 100");
  });
}

TEST(TemplateLimits, DepthJustBelowIsFine) {
  OnSmallStack([] {
    EXPECT_EQ(Render("{{ " + Repeat("(", 90) + "1" + Repeat(")", 90) + " }}"), "1");
    EXPECT_EQ(Render("{{ " + Repeat("[", 40) + Repeat("]", 40) + " | length }}"), "1");
    EXPECT_EQ(Render(Repeat("{% if 1 %}", 90) + "x" + Repeat("{% endif %}", 90)), "x");
    EXPECT_EQ(Render("{{ " + Repeat("0 or 1 and 1 == 2 + 4 * 5 ** -(", 12) + "1" + Repeat(")", 12) +
                     " }}"),
              "False");
  });
}

TEST(TemplateLimits, LongChainsDoNotRecurse) {
  OnSmallStack([] {
    EXPECT_EQ(Render("{{ 0" + Repeat(" + 1", 50'000) + " }}"), "50000");
    EXPECT_EQ(Render("{{ x" + Repeat("|string", 50'000) + " }}"), "");
    EXPECT_EQ(Render("{{ 1" + Repeat(" and 1", 50'000) + " }}"), "1");
    EXPECT_EQ(Render("{{ " + Repeat("not ", 50'000) + "1 }}"), "True");
    EXPECT_EQ(Render("{{ " + Repeat("- ", 50'000) + "1 }}"), "1");
    EXPECT_EQ(Render("{{ 1" + Repeat(" < 2 > 1", 10'000) + " }}"), "True");
    EXPECT_EQ(Render("{% if 0 %}" + Repeat("{% elif 0 %}", 20'000) + "{% else %}e{% endif %}"),
              "e");
    ExpectTemplateError("{{ x" + Repeat(".a", 100'000) + " }}", "is undefined");
    ExpectTemplateError("{{ x" + Repeat("()", 100'000) + " }}", "is undefined");
  });
}

TEST(TemplateLimits, DepthWhileRendering) {
  OnSmallStack([] {
    ExpectTemplateError("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "depth > 100");
    ExpectTemplateError("{% macro m(x) %}{{ (1, [m([x])]) }}{% endmacro %}{{ m(1) }}",
                        "depth > 100");
    ExpectTemplateError(
        "{% macro m() %}{% for x in [1] %}{% if x %}{% set y %}{{ m()|upper }}{% endset %}"
        "{% endif %}{% endfor %}{% endmacro %}{{ m() }}",
        "depth > 100");
    ExpectTemplateError(
        "{% macro m() %}{{ caller() if caller }}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}",
        "depth > 100");
    ExpectTemplateError("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "depth > 100");
    ExpectTemplateError("{% macro a(x=a()) %}{% endmacro %}{{ a() }}", "depth > 100");
    const std::string deep =
        "{% set ns = namespace(l=[]) %}{% for i in range(10000) %}{% set ns.l = [ns.l] %}"
        "{% endfor %}";
    ExpectTemplateError(deep + "{{ ns.l }}", "depth > 100");
    ExpectTemplateError(deep + "{{ ns.l | tojson }}", "depth > 100");
    ExpectTemplateError(deep +
                            "{% set a = ns.l %}{% set ns.l = [] %}{% for i in range(10000) %}"
                            "{% set ns.l = [ns.l] %}{% endfor %}{{ a == ns.l }}",
                        "depth > 100");
    ExpectTemplateError(deep + "{{ ns.l | map(*(['map'] * 5000)) | list }}", "depth > 100");
    EXPECT_EQ(Render("{% set ns = namespace() %}{% set ns.self = [ns] %}ok"), "ok");
    ExpectTemplateError("{% set ns = namespace() %}{% set ns.self = [ns] %}{{ ns }}",
                        "depth > 100");
  });
}

TEST(TemplateLimits, DeepVariables) {
  OrderedJson deep = 1;
  for (int i = 0; i < 200; ++i) deep = OrderedJson::array({deep});
  ExpectError(Status::kTemplate, {"depth > 100"}, [&] { Render("", {{"x", deep}}); });
}

TEST(TemplateLimits, Steps) {
  ExpectTemplateError("{% for i in range(1000000000) %}{% endfor %}", "Range too big");
  ExpectTemplateError("{{ range(0, 9223372036854775807, 2) }}", "Range too big");
  ExpectTemplateError(
      "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}"
      "{% endfor %}{% endfor %}{% endfor %}",
      "more than");
  ExpectTemplateError(
      "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}"
      "{% set ns.l = ns.l + ns.l %}{% endfor %}",
      "more than 1000000 steps");
  ExpectTemplateError("{{ [0] * 9223372036854775807 }}", "more than 1000000 steps");
  const std::string shared =
      "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}"
      "{% set ns.l = [ns.l, ns.l] %}{% endfor %}";
  ExpectTemplateError(shared + "{{ ns.l }}", "more than");
  ExpectTemplateError(shared + "{{ ns.l | tojson }}", "more than");
  ExpectTemplateError(
      "{% macro m(n) %}{% for i in range(10) %}{{ m(n) if n }}{{ m(n - 1) }}"
      "{% endfor %}{% endmacro %}{{ m(9) }}",
      "");
}

TEST(TemplateLimits, EffortMultipliesStepsAndTime) {
  const ChatTemplate squared = ChatTemplate::Parse(
      "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}x", "t");
  const OrderedJson none = OrderedJson::object();
  ExpectError(Status::kTemplate, {"t:1:44: more than 1000000 steps"},
              [&] { squared.Render(none); });
  EXPECT_EQ(squared.Render(none, 20), "x");
  const ChatTemplate endless = ChatTemplate::Parse(
      "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}", "t");
  ExpectError(Status::kTemplate, {"more than 3000000 steps"}, [&] { endless.Render(none, 3); });
  for (const int64_t effort : {int64_t{0}, int64_t{-1}, kMaxTemplateEffort + 1}) {
    ExpectError(Status::kArg, {fmt::format("effort is {}, wanted 1..1000", effort)},
                [&] { squared.Render(none, effort); });
  }
}

TEST(TemplateLimits, Time) {
  // Few steps, each of them dear.
  ExpectTemplateError(
      "{% for i in range(100000) %}{% set x = strftime_now('%c' * 400) %}{% endfor %}",
      "more than 200 ms of processor time");
}

// CT03: what a caller hands in may be anything.
TEST(TemplateLimits, MessagesOfEveryShape) {
  OnSmallStack([] {
    const auto expect = [](std::string_view messages, std::string_view source,
                           std::string_view message) {
      const OrderedJson variables = {{"messages", ParseOrderedJson(messages, "m")}};
      ExpectError(Status::kTemplate, {message}, [&] { Render(std::string(source), variables); });
    };
    const char* concat = "{% for m in messages %}\n{{ '<' + m.content + '>' }}{% endfor %}";
    expect(R"([{"content": 5}])", concat, "t:2:8: can only concatenate str (not \"int\") to str");
    expect(R"([{"content": null}])", concat, "t:2:8: can only concatenate str (not \"NoneType\")");
    expect(R"([{"content": [1]}])", concat,
           "t:2:8: can only concatenate str (not \"list\") to str");
    expect(R"([{"role": "user"}])", concat, "t:2:8: 'dict object' has no attribute 'content'");
    expect(R"([[1]])", concat, "t:2:8: 'list object' has no attribute 'content'");
    expect(R"([])", "{{ messages[0].content }}", "t:1:16: list object has no element 0");
    expect(R"([])", "\n{{ messages[0]['role'].x }}", "t:2:15: list object has no element 0");
  });
}

TEST(TemplateLimits, Text) {
  ExpectTemplateError(
      "{% set ns = namespace(s='aaaa') %}{% for i in range(60) %}"
      "{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "more than 4194304 bytes");
  ExpectTemplateError(
      "{% set ns = namespace(s='aaaa') %}{% for i in range(60) %}"
      "{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
      "more than 4194304 bytes");
  ExpectTemplateError("{{ 'a' * 1000000000 }}", "more than 4194304 bytes");
  ExpectTemplateError("{{ 'ab' * 9223372036854775807 }}", "more than 4194304 bytes");
  ExpectTemplateError("{% for i in range(100) %}{{ 'a' * 100000 }}{% endfor %}",
                      "output of more than 4194304 bytes");
  ExpectTemplateError("{{ ('a' * 4000) | replace('a', 'b' * 4000) }}", "more than 4194304 bytes");
  ExpectTemplateError("{{ ('a' * 4000).replace('', 'b' * 4000) }}", "more than 4194304 bytes");
  ExpectTemplateError("{{ ('b' * 4000).join(['a'] * 4000) }}", "more than 4194304 bytes");
  ExpectTemplateError("{{ 'a'.center(1000000000) }}", "more than 4194304 bytes");
  ExpectTemplateError("{{ 'a'.zfill(9223372036854775807) }}", "more than 4194304 bytes");
  ExpectTemplateError("{{ ('a\\n' * 4000) | indent(100000) }}", "more than 4194304 bytes");
  ExpectTemplateError("{{ '%999999999d' % 1 }}", "width or precision above 10000");
  EXPECT_EQ(Render("{{ 'a' * 4194304 }}").size(), 4194304u);
}

TEST(TemplateLimits, HostileSearchesAreLinear) {
  const std::string texts = "{% set a = 'a' * 2000000 %}{% set b = 'a' * 1000000 ~ 'b' %}";
  EXPECT_EQ(Render(texts + "{{ b in a }}"), "False");
  EXPECT_EQ(Render(texts + "{{ a.rfind('b' ~ 'a' * 1000000) }}"), "-1");
  EXPECT_EQ(Render(texts + "{{ a.rsplit('b' ~ 'a' * 1000000) | length }}"), "1");
  EXPECT_EQ(Render(texts + "{{ a.strip(b) }}"), "");
  EXPECT_EQ(Render(texts + "{{ a.count('a' * 1000000) }}"), "2");
}

TEST(TemplateLimits, BigNumbers) {
  ExpectTemplateError("{{ 9223372036854775808 }}", "no 64-bit integer");
  ExpectTemplateError("{{ 9223372036854775807 + 1 }}", "integer beyond 64 bits");
  ExpectTemplateError("{{ -9223372036854775807 - 2 }}", "integer beyond 64 bits");
  ExpectTemplateError("{{ 4611686018427387904 * 2 }}", "integer beyond 64 bits");
  ExpectTemplateError("{{ 10 ** 30 }}", "integer beyond 64 bits");
  ExpectTemplateError("{{ -(-9223372036854775807 - 1) }}", "integer beyond 64 bits");
  ExpectTemplateError("{{ (-9223372036854775807 - 1) // -1 }}", "integer beyond 64 bits");
  ExpectTemplateError("{{ (-9223372036854775807 - 1) | abs }}", "integer beyond 64 bits");
  ExpectTemplateError("{{ '9223372036854775808' | int }}", "integer beyond 64 bits");
  ExpectTemplateError("{{ 1e999 }}", "out of range");
  EXPECT_EQ(Render("{{ (-9223372036854775807 - 1) % -1 }}"), "0");
  EXPECT_EQ(Render("{{ [1, 2][9223372036854775807] }}"), "");
  EXPECT_EQ(Render("{{ [1, 2][-9223372036854775807 - 1] }}"), "");
  EXPECT_EQ(Render("{{ [1, 2][-9223372036854775807:9223372036854775807] }}"), "[1, 2]");
  EXPECT_EQ(Render("{{ 'ab'[::9223372036854775807] }}"), "a");
  EXPECT_EQ(Render("{{ 'ab'[::-9223372036854775807 - 1] }}"), "b");
  EXPECT_EQ(Render("{{ 1e300 | int }}{{ 'nan' | float | int }}"), "00");
  EXPECT_EQ(Render("{{ range(9223372036854775806, 9223372036854775807, 5) | list | length }}"),
            "1");
  OrderedJson variables;
  variables["n"] = UINT64_MAX;
  ExpectError(Status::kTemplate, {"18446744073709551615"}, [&] { Render("{{ n }}", variables); });
}

TEST(TemplateLimits, Sources) {
  ExpectError(Status::kTemplate, {"t: template has 10485760 bytes, wanted at most 1048576"},
              [] { ChatTemplate::Parse(std::string(10 << 20, 'a'), "t"); });
  ExpectError(Status::kTemplate, {"t: template is not UTF-8"},
              [] { ChatTemplate::Parse("{{ '\xff' }}", "t"); });
  ExpectError(Status::kTemplate, {"is not UTF-8"}, [] { Render("", {{"x", "\xC3"}}); });
  const std::string nul("a\0b{{ 'c\0d' }}", 14);
  EXPECT_EQ(Render(nul), std::string("a\0bc\0d", 6));
}

}  // namespace
}  // namespace inference
