// Errors with their places, the sandbox, and what Render adds to the variables.
#include "chat/chat_template.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "support/expect_error.h"

namespace inference {
namespace {

std::string Render(std::string_view source, const OrderedJson& variables = OrderedJson::object()) {
  return ChatTemplate::Parse(source, "t").Render(variables);
}

void ExpectTemplateError(std::string_view source, std::string_view message) {
  ExpectError(Status::kTemplate, {message}, [&] { Render(source); });
}

TEST(ChatTemplate, ErrorsSayWhere) {
  ExpectTemplateError("a\n  {{ x | nope }}", "t:2:10: no filter named 'nope'");
  ExpectTemplateError("{{ x is nope }}", "t:1:9: no test named 'nope'");
  ExpectTemplateError("\n\n{% nope %}", "t:3:4: unknown tag 'nope'");
  ExpectTemplateError("é{{ 1 + }}", "t:1:9: unexpected '}}', wanted an expression");
  ExpectTemplateError("{% if x %}\n", "t:1:11: unexpected end of template, wanted a tag 'endif'");
  ExpectTemplateError("x {{ 'a", "t:1:6: string is not closed");
  ExpectTemplateError("x\r\n{# a", "t:2:1: comment is not closed");
  ExpectTemplateError("{{ a\n", "t:1:1: tag is not closed, wanted '}}'");
  ExpectTemplateError("{{ (1] }}", "t:1:6: unexpected ']', wanted ')'");
  ExpectTemplateError("a\n{{ 'x' +\n 1 }}", "t:2:8: can only concatenate str (not \"int\") to str");
  ExpectTemplateError("{{ x.y }}", "t:1:6: 'x' is undefined");
  ExpectTemplateError("{% for a in 5 %}{% endfor %}", "t:1:4: 'int' object is not iterable");
  ExpectTemplateError("{% for a in [1] %}{% break x %}{% endfor %}", "t:1:28: unexpected 'x'");
  ExpectTemplateError("{{ '\\ud800' }}", "t:1:5: string has a bad \\u escape");
}

TEST(ChatTemplate, RaiseExceptionCarriesItsText) {
  ExpectTemplateError("\n{{ raise_exception('Roles must alternate: ' ~ 1) }}",
                      "t:2:19: raised by the template: 'Roles must alternate: 1'");
  ExpectTemplateError("{{ raise_exception('a\\nb') }}", "'a\\x0ab'");
}

TEST(ChatTemplate, NothingOfTheHostIsReachable) {
  ExpectTemplateError("{{ ''.__class__.__mro__ }}",
                      "access to attribute '__class__' of 'str' object is unsafe.");
  ExpectTemplateError("{{ self._TemplateReference__context.x }}",
                      "access to attribute '_TemplateReference__context' of 'TemplateReference' "
                      "object is unsafe.");
  ExpectTemplateError("{{ cycler.__init__.__globals__ }}", "'__init__' of");
  ExpectTemplateError("{{ '{0.__class__.x}'.format(1) }}", "attribute '__class__' of 'int'");
  ExpectTemplateError("{{ ([] | attr('__class__')).x }}", "attribute '__class__' of 'list'");
  ExpectTemplateError("{{ range.__globals__.x }}", "unsafe");
  ExpectTemplateError("{{ [].append(1) }}", "unsafe");
}

TEST(ChatTemplate, WhatIsNotSupportedSaysSo) {
  for (const char* tag : {"include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'",
                          "block x", "autoescape true"}) {
    const std::string name = std::string(tag).substr(0, std::string(tag).find(' '));
    ExpectTemplateError("a\n{% " + std::string(tag) + " %}",
                        "t:2:4: tag '" + name + "' is not supported");
  }
  for (const char* filter :
       {"filesizeformat", "pprint", "random", "striptags", "urlize", "wordwrap"}) {
    const std::string name = filter;
    ExpectTemplateError("{{ 1 | " + name + " }}", "t:1:8: filter '" + name + "' is not supported");
    ExpectTemplateError("{{ [1] | map('" + name + "') | list }}",
                        "filter '" + name + "' is not supported");
  }
  ExpectTemplateError("\n {{ lipsum() }}", "t:2:5: function 'lipsum' is not supported");
  ExpectTemplateError("{{ 'a'.encode() }}", "method 'encode' of 'str' is not supported");
  ExpectTemplateError("{{ ('{}' | safe).format(1) }}", "format of escaped text is not supported");
  ExpectTemplateError("{{ '{!a}'.format('x') }}", "conversion in '!a' is not supported");
  ExpectTemplateError("{{ '{:c}'.format(65) }}", "format type 'c' is not supported");
  ExpectTemplateError("{{ '{:.3}'.format(2.5) }}", "a precision without a type is not supported");
  ExpectTemplateError("{{ '{:09,}'.format(25) }}", "grouped digits are not supported");
}

TEST(ChatTemplate, FormatWidthsHaveALimit) {
  ExpectTemplateError("{{ '{:99999999999}'.format(1) }}", "width or precision above 10000");
  ExpectTemplateError("{{ '{:.99999f}'.format(1.5) }}", "width or precision above 10000");
  ExpectTemplateError("{{ '{:{:{}}}'.format(1, 2, 3) }}", "Max string recursion exceeded");
  EXPECT_EQ(Render("{{ '{:10000}'.format(1) | length }}{{ '{:.10000f}'.format(1.5) | length }}"),
            "1000010002");
}

TEST(ChatTemplate, AbsentVariablesAreWhatTransformersPasses) {
  EXPECT_EQ(Render("{{ tools }}{{ documents }}{{ add_generation_prompt }}{{ bos_token }}"),
            "NoneNoneFalse");
  EXPECT_EQ(Render("{{ tools is defined }}{{ bos_token is defined }}"), "TrueFalse");
  EXPECT_EQ(Render("{{ add_generation_prompt }}{{ extra.x[0] }}",
                   {{"add_generation_prompt", true}, {"extra", {{"x", {1, 2}}}}}),
            "True1");
  ExpectError(Status::kArg, {"t: variables: not an object"},
              [] { Render("", OrderedJson::array()); });
}

TEST(ChatTemplate, StrftimeNow) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  const int year = std::stoi(Render("{{ strftime_now('%Y') }}"));
  EXPECT_GE(year, 1900 + local.tm_year);
  EXPECT_LE(year, 1901 + local.tm_year);
  EXPECT_EQ(Render("{{ strftime_now('%d %b %Y') | length }}"), "11");
  EXPECT_EQ(Render("{{ strftime_now is defined }}"), "True");
}

TEST(ChatTemplate, OneTemplateRendersOnManyThreads) {
  const ChatTemplate shared = ChatTemplate::Parse(
      "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + m %}{% endfor %}"
      "{{ ns.n }}",
      "t");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(shared.Render({{"messages", {t, i}}}), std::to_string(t + i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace inference
