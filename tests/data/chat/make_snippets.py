"""Writes snippets.json: small templates with what Jinja prints for them, or the error it raises."""
import json
import os

from reference import environment

env = environment()

V = {
    "s": "Hello World", "pad": "  \t pad\u00a0\n", "u": "h\u00e9llo \u4e16\u754c \U0001f600", "e": "",
    "n": None, "t": True, "f": False, "i": 7, "z": 0, "neg": -3, "x": 2.5, "big": 1e16,
    "l": [1, 2, 3], "el": [], "m": [["a", 1], ["b", 2]],
    "d": {"a": 1, "b": {"c": [1, "two", None]}, "items": "key wins by []", "1": "one"}, "ed": {},
    "people": [{"name": "Zoe", "age": 30, "tags": ["x"]}, {"name": "adam", "age": 25},
               {"name": "Bea", "age": 30, "tags": []}],
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"},
                 {"role": "assistant", "content": None, "tool_calls": [
                     {"function": {"name": "f", "arguments": {"q": "caf\u00e9 \"x\" <b>&'"}}}]}],
}

SNIPPETS = r"""
{{ s }}|{{ e }}|{{ n }}|{{ t }}|{{ f }}|{{ i }}|{{ x }}|{{ big }}|{{ neg }}
{{ l }}|{{ d }}|{{ ed }}|{{ el }}|{{ people[0] }}
{{ missing }}|{{ d.missing }}|{{ d['missing'] }}|{{ l[10] }}|{{ s[100] }}
{{ missing.attribute }}
{{ d.missing.more }}
{{ missing[0] }}
{{ missing + 1 }}
{{ missing() }}
{{ missing == none }} {{ missing == other }} {{ not missing }} {{ missing in l }} {{ 1 in missing }}
{{ missing | default('D') }} {{ e | default('D') }} {{ e | default('D', true) }} {{ n | d('D') }} {{ n | d('D', boolean=true) }}
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}
{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** -1 }} {{ 2.0 ** 3 }} {{ 10 ** 15 }} {{ 0 ** 0 }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ 1 // 0 }}
{{ 'a' + 'b' ~ 1 + 'c' }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1] ~ missing }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + [2, 3] }} {{ (1,) + (2,) }} {{ [0] * 3 }} {{ 'ab' * 2 }} {{ 3 * 'x' }} {{ 'ab' * -1 }}
{{ [1] + (2,) }}
{{ none + 1 }}
{{ l - 1 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 >= 2 }} {{ (1 < 2) == true }} {{ 1 == 1.0 == true }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ 'ell' in s }} {{ 'x' not in s }} {{ 2 in l }} {{ 5 not in l }} {{ 'a' in d }} {{ 1 in d }} {{ none in [none] }}
{{ 1 in 'abc' }}
{{ 1 in 5 }}
{{ not true }} {{ not not 1 }} {{ not 1 == 2 }} {{ true and false or true }} {{ 0 or 'x' }} {{ 1 and 'y' }} {{ '' and 'y' }}|
{{ not a and not b }} {{ (not t) or f }} {{ t and not f }} {{ not (t and f) }}
{{ 'yes' if t else 'no' }} {{ 'yes' if f else 'no' }} {{ 'yes' if f }}| {{ 1 if f else 2 if f else 3 }} {{ (1 if t else 2) + 1 }}
{{ ('yes' if f).x }}
{{ -i }} {{ +i }} {{ --i }} {{ -x }} {{ - i | abs }} {{ -l[0] }}
{{ -s }}
{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 0.1 + 0.2 }} {{ 1e22 }} {{ 123456789012345.678 }} {{ 1e-5 }} {{ 0.0001 }} {{ 5.0 }} {{ 1e15 }}
{{ 'a\nb\t\'q\'\\ \x41\u00e9\101 \q' }} {{ "dq \"x\" 'y'" }} {{ 'ab' 'cd' "ef" }}
{{ ['a\'b', "a\"b", 'a\'"b', 'n\nl', 'tab\t', '\u00e9', '\x07', '\u00a0', '\\'] }}
{{ [1, 'a', none, true, 1.0, [2], {'k': (1,)}, (1, 2), ()] }}
{{ 1, 2 }} {{ (1) }} {{ (1,) }} {{ () }}
{{ {'a': 1, 'b': [1], 2: 'x', none: 3, true: 4} }}
{{ {[1]: 2} }}
{{ {'a': 1, 'a': 2} }}
{{ l[0] }} {{ l[-1] }} {{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ l[5:] }} {{ l[-2:] }} {{ l[2:0:-1] }} {{ l[:] }}
{{ s[0] }} {{ s[-1] }} {{ s[1:4] }} {{ s[::-1] }} {{ u[1] }} {{ u[-1] }} {{ u[6:8] }} {{ u[::2] }} {{ u[:-2] }} {{ s[50:] }}| {{ s[-50:3] }}
{{ l[::0] }}
{{ l['a'] }}| {{ s['upper']() }} {{ d['items'] }} {{ d['keys']() | list }}
{{ l['a'].b }}
{{ d.b.c[1] }} {{ d['b']['c'][0] }} {{ d.b.c.1 }} {{ l.0 }} {{ m.1.0 }}
{{ d.items() }} {{ d.keys() }} {{ ed.values() }} {{ d.items() | list }} {{ (d.items() | list)[0] }} {{ d.keys() | list }}
{{ d.get('a') }} {{ d.get('q') }} {{ d.get('q', 'dflt') }} {{ d.get('b').get('c') }} {{ d.copy() == d }}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }};{% endfor %}{% for c in 'añb' %}[{{ c }}]{% endfor %}
{% for k, v in d | items %}{{ k }}={{ v }};{% endfor %}{{ missing | items | list }}
{{ l | items | list }}
{% for a, b in m %}{{ a }}{{ b }} {% endfor %}
{% for a, b in l %}{{ a }}{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }}{{ loop.previtem }}{{ loop.nextitem }} {% endfor %}
{% for x in l %}{{ loop.cycle('odd', 'even') }} {{ loop.changed(x > 1) }} {% endfor %}
{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is undefined }} {% endfor %}
{% for x in l %}{{ loop }}{% endfor %}
{% for x in l %}{{ loop.nope }}|{% endfor %}
{% for x in el %}x{% else %}none{% endfor %}{% for x in l %}{{ x }}{% else %}none{% endfor %}
{% for x in missing %}x{% else %}nothing{% endfor %}
{% for x in none %}x{% endfor %}
{% for x in 5 %}x{% endfor %}
{% for x in l if x > 1 %}{{ x }}/{{ loop.length }} {% endfor %}{% for x in l if x > 9 %}{% else %}E{% endfor %}
{% for x in l recursive %}{{ x }}{% if x < 3 %}({{ loop([3]) }}){% endif %}{{ loop.depth }} {% endfor %}
{% for x in [1, [2, [3, 4]]] recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}{% endif %}{% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% for y in l %}{% if y == 2 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{{ loop.index }};{% endfor %}
{% break %}
{% for x in 1, 2, 3 %}{{ x }}{% endfor %}
{{ range(3) }} {{ range(1, 4) | list }} {{ range(10, 0, -3) | list }} {{ range(5)[1] }} {{ range(5)[1:3] }} {{ range(2, 8, 2)[::-1] }} {{ range(3) | length }} {{ range(0) | list }}
{{ range(0, 5, 0) }}
{{ range(1000000000) }}
{% set a = 1 %}{% for x in l %}{{ a }}{% set a = x * 10 %}{{ a }} {% endfor %}{{ a }}
{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}
{% set ns = namespace(n=0, l=[]) %}{% for x in l %}{% set ns.n = ns.n + x %}{% set ns.l = ns.l + [x] %}{% endfor %}{{ ns.n }} {{ ns.l }} {{ ns.zz }}| {{ ns }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns['a'] }}
{% set d.a = 5 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, e2) = [3, 4] %}{{ c }}{{ e2 }}
{% set a, b = [1] %}
{% set x = 1, 2 %}{{ x }}
{% set x %}block {{ i }}{% endset %}[{{ x }}] {% set y | upper %}up{{ s }}{% endset %}{{ y }}
{% set x | replace('a', 'b') | trim %}  aaa  {% endset %}[{{ x }}]
{% set o = 1 %}{% set x %}{% set o = 2 %}{{ o }}{% endset %}{{ x }}{{ o }}
{% with a = 1, b = i %}{{ a }}{{ b }}{% set a = 5 %}{{ a }}{% endwith %}{{ a }}|
{% set a = 9 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}
{% filter upper %}abc {{ s }}{% endfilter %}{% filter replace('a', 'o') | upper %}banana{% endfilter %}
{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=5, a=4) }} {{ m() }}| {{ m.name }} {{ m.arguments }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}
{% macro m() %}{{ x }}{{ later }}{% endmacro %}{% set later = 'L' %}{{ m() }}
{% macro m() %}{% set inner = 5 %}{{ inner }}{% endmacro %}{{ m() }}{{ inner }}|
{% macro f(n) %}{{ n }}{% if n > 0 %},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(4) }}
{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body {{ i }}{% endcall %}
{% macro m() %}<{{ caller(1, 2) }}>{% endmacro %}{% call(a, b) m() %}{{ a }}-{{ b }}{% endcall %}
{% macro m() %}<{{ caller() }}>{% endmacro %}{{ m() }}
{% macro m() %}x{% endmacro %}{% call m() %}body{% endcall %}
{% macro m(a) %}{{ a | upper }}{% endmacro %}{{ m('q') | lower }}{{ m('z') ~ 'y' }}{{ m('k') | length }}
{{ 5() }}
{{ s.nope() }}
{{ s.upper() }} {{ s.lower() }} {{ u.upper() }} {{ 'ß'.upper() }} {{ 'ÀÉ'.lower() }} {{ s.title() }} {{ "they're bill's x1y".title() }} {{ 'hELLO wORLD'.capitalize() }} {{ s.swapcase() }}
[{{ pad.strip() }}] [{{ pad.lstrip() }}] [{{ pad.rstrip() }}] [{{ 'xxaxx'.strip('x') }}] [{{ 'abcXcba'.strip('abc') }}] [{{ 'xyz'.lstrip('yx') }}] [{{ 'éaé'.strip('é') }}]
{{ 'a,b,,c'.split(',') }} {{ ' a  b c '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b  c d'.split(none, 1) }} {{ 'a b  c d'.rsplit(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'aXXbXXc'.split('XX') }} {{ 'aaa'.rsplit('aa') }} {{ 'aaa'.split('aa') }}
{{ s.split('') }}
{{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\nb\r\nc'.splitlines(true) }} {{ ''.splitlines() }} {{ 'x\u2028y'.splitlines() }}
{{ s.startswith('Hell') }} {{ s.endswith('ld') }} {{ s.startswith(('x', 'H')) }} {{ s.startswith('W', 6) }} {{ s.endswith('o', 0, 5) }} {{ s.startswith('') }}
{{ s.startswith(1) }}
{{ s.replace(none, 'b') }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 1) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.replace('', '-', 2) }} {{ s.replace('nope', 'x') }} {{ 'aaa'.replace('aa', 'b') }}
{{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('zz') }} {{ u.find('世') }} {{ s.count('l') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ s.index('W') }} {{ s.find('o', 5) }} {{ s.find('') }} {{ s.rfind('') }}
{{ s.index('zz') }}
{{ ', '.join(['a', 'b']) }} {{ ''.join([]) }}|
{{ ', '.join([1, 2]) }}
{{ 'abc'.isalpha() }} {{ 'a1'.isalnum() }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ ' '.isspace() }} {{ 'aB'.islower() }} {{ 'AB1'.isupper() }} {{ 'é'.isalpha() }}
{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('-') }} {{ 'abc'.rpartition('-') }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.jinja'.removesuffix('.jinja') }}
{{ '42'.zfill(5) }} {{ '-42'.zfill(5) }} {{ 'a'.ljust(3) }}| {{ 'a'.rjust(3, '.') }} {{ 'ab'.center(5, '*') }} {{ 'abc'.center(6, '*') }} {{ 'abc'.center(4) }}|
{{ '{} and {}'.format(1, 'b') }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '{x}-{{}}'.format(x=5) }}
{{ '{}'.format() }}
{{ '%s is %d years, %.2f, %5s|%-5s|%05d %x %%' % ('Bob', 42, 1.5, 'ab', 'cd', 42, 255) }} {{ '%s' % 'x' }} {{ '%r' % 'x' }} {{ '%(a)s' % {'a': 1} }}
{{ '%s %s' % ('a',) }}
{{ '%s' % ('a', 'b') }}
{{ '%d' % 'a' }}
{{ '%s-%s' | format('a', 1) }} {{ '%(k)s' | format(k='v') }}
{{ l.append(4) }}
{{ d.update({'q': 1}) }}
{{ ''.__class__ }}|{{ ''.__class__.__mro__ }}
{{ d.__init__.__globals__ }}
{{ l.index(2) }} {{ l.count(1) }}
{{ l.index(9) }}
{{ s | upper }} {{ s | lower }} {{ s | title }} {{ "it's (a) test-case [x] <y> foo_bar" | title }} {{ 'hELLO' | capitalize }} {{ pad | trim }}| {{ 'xxaxx' | trim('x') }} {{ 12 | string + 'x' }} {{ none | upper }} {{ missing | upper }}|
{{ l | length }} {{ s | length }} {{ u | length }} {{ d | length }} {{ d | count }} {{ missing | length }} {{ el | length }}
{{ 5 | length }}
{{ none | length }}
{{ l | join }} {{ l | join(', ') }} {{ people | join(', ', attribute='name') }} {{ [none, true, 1.5, 'a'] | join('-') }} {{ 'abc' | join('.') }} {{ d | join(',') }} {{ missing | join(',') }}|
{{ l | first }} {{ l | last }} {{ s | first }} {{ s | last }} {{ el | first }}| {{ d | first }} {{ el | last is defined }} {{ d | last }}
{{ (el | first).x }}
{{ 5 | first }}
{{ s | list }} {{ d | list }} {{ (1, 2) | list }} {{ range(2) | list }}
{{ l | reverse | list }} {{ s | reverse }} {{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ [1, 3, 2] | sort(reverse=true) }} {{ people | sort(attribute='age') | map(attribute='name') | list }} {{ people | sort(attribute='age,name') | map(attribute='name') | list }} {{ people | sort(reverse=true, attribute='name') | map(attribute='name') | list }}
{{ [1, 'a'] | sort }}
{{ [[2], [1, [3]], [1, [2]]] | sort }} {{ people | sort(attribute=1) | map(attribute='name') | list }} {{ [[[1]], [[0]]] | max }}
{{ d[1:] }}
{{ t[:1] }}
{{ 0or 'x' }} {{ 1if t else 2 }}
{{ d | dictsort | length }} {{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ {'b': 1, 'a': 2} | dictsort(reverse=true) }}
{{ [1, 2, 1, 3, 2] | unique | list }} {{ ['a', 'A', 'b'] | unique | list }} {{ people | unique(attribute='age') | map(attribute='name') | list }}
{{ l | min }} {{ l | max }} {{ l | sum }} {{ people | sum(attribute='age') }} {{ el | min }}| {{ ['b', 'A'] | min }} {{ people | max(attribute='age') }} {{ [[1], [2]] | sum(start=[]) }}
{{ people | map(attribute='name') | join(',') }} {{ people | map(attribute='tags.0', default='-') | list }} {{ people | map(attribute='tags', default=[]) | list }} {{ ['a', 'b'] | map('upper') | list }} {{ [1, 2] | map('string') | list }} {{ ['a b', 'c'] | map('replace', 'a', 'x') | list }} {{ m | map(attribute=0) | list }} {{ m | map('first') | list }}
{{ l | map('nope') | list }}
{{ l | map | list }}
{{ people | selectattr('age', 'equalto', 30) | map(attribute='name') | list }} {{ people | rejectattr('age', '>', 26) | map(attribute='name') | list }} {{ people | selectattr('tags') | list | length }} {{ people | selectattr('tags', 'defined') | list | length }} {{ people | rejectattr('tags', 'undefined') | list | length }} {{ people | selectattr('name', 'in', ['Zoe', 'Bea']) | list | length }}
{{ l | select('odd') | list }} {{ l | reject('odd') | list }} {{ [0, 1, '', 'a', none] | select | list }} {{ l | select('gt', 1) | list }} {{ l | select('divisibleby', 3) | list }} {{ ['a', 1] | select('string') | list }} {{ [0, 1, 2] | reject | list }}
{{ l | select('nope') | list }}
{% if l | select('gt', 5) %}generators are true{% endif %}{% if l | select('gt', 5) | list %}no{% endif %}
{{ l | select('odd') | length }}
{{ (l | select('odd'))[0] }}| {{ l | select('odd') | first }}
{% set g = l | select('odd') %}{{ g | list }}{{ g | list }}
{{ '42' | int }} {{ '4.9' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 3.9 | int }} {{ -3.9 | int }} {{ true | int }} {{ none | int }} {{ 'ff' | int(base=16) }} {{ '0x1f' | int(0, 16) }} {{ ' 5 ' | int }} {{ '1_0' | int }} {{ '' | int(3) }}
{{ '4.5' | float }} {{ 'x' | float }} {{ 'x' | float(1.5) }} {{ 3 | float }} {{ '1e3' | float }} {{ none | float }} {{ ' 2 ' | float }}
{{ -3 | abs }} {{ x | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 42.55 | round(1, 'floor') }} {{ 42.55 | round(1, 'ceil') }} {{ 5 | round }} {{ 1234.5 | round(-2) }} {{ 0.5 | round | int }}
{{ s | replace('l', 'L') }} {{ s | replace('l', 'L', 2) }} {{ 121 | replace(1, 3) }} {{ 'a' | replace('a', none) }}
{{ 'a\nb\n\nc' | indent }}| {{ 'a\nb' | indent(2, true) }}| {{ 'a\n\nb' | indent(width=1, blank=true) }}| {{ 'a\nb' | indent('> ') }}
{{ 'hello big world out there' | truncate(10) }} {{ 'hello big world out there' | truncate(10, true) }} {{ 'hello big' | truncate(5) }} {{ 'hello big world' | truncate(8, false, '!', 0) }} {{ 'a b_c 12, é' | wordcount }} {{ 'ab' | center(6) }}|
{{ '<i>' | safe + '<b>' }} {{ '<b>' + '<i>' | safe ~ '<u>' }} {{ '<b>' | e + '&' }} {{ '<' | e | e }} {{ '<' | e | forceescape }} {{ '<' | safe is escaped }} {{ ('<' | safe) == '<' }} {{ ['<' | safe, '<'] | join('&') }} {{ none | select('nope') | list }} {{ none | map('nope') | list }} {{ missing | selectattr('x', 'y') | list }}
{{ '<a href="x">\'&' | e }} {{ '<b>' | safe }} {{ '<b>' }}
{{ d | tojson }}
{{ d | tojson(indent=2) }}
{{ people | tojson(indent=4) }}
{{ [] | tojson(indent=2) }} {{ {} | tojson(indent=2) }} {{ [[], {}] | tojson(indent=1) }} {{ [1, 2] | tojson(indent=0) }}
{{ messages | tojson }}
{{ u | tojson }} {{ u | tojson(ensure_ascii=true) }} {{ 'a"b\\c\n\t\x01\x7f/' | tojson }} {{ none | tojson }} {{ true | tojson }} {{ 1.0 | tojson }} {{ 1e16 | tojson }} {{ (1, 2) | tojson }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ {1: 2, none: 3, true: 4, 1.5: 5} | tojson }} {{ [1, {'a': 2}] | tojson(separators=(',', ':')) }} {{ [1] | tojson(indent='--') }}
{{ missing | tojson }}
{{ range(3) | tojson }}
{{ d.items() | tojson }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 'x') | list }}
{{ s | nope }}
{% if f %}{{ s | nope }}{% endif %}ok
{% if t %}{{ s | nope }}{% endif %}
{{ 1 if t else s | nope }}
{{ s is nope }}
{{ s is string }} {{ i is string }} {{ i is number }} {{ x is number }} {{ t is number }} {{ i is integer }} {{ t is integer }} {{ x is float }} {{ t is boolean }} {{ i is boolean }} {{ n is none }} {{ i is not none }} {{ missing is none }}
{{ d is mapping }} {{ l is mapping }} {{ l is iterable }} {{ s is iterable }} {{ i is iterable }} {{ n is iterable }} {{ missing is iterable }} {{ d is iterable }} {{ l is sequence }} {{ s is sequence }} {{ d is sequence }} {{ i is sequence }} {{ range(2) is sequence }} {{ d.items() is iterable }} {{ d.items() is sequence }}
{{ missing is defined }} {{ s is defined }} {{ d.nope is defined }} {{ d.a is defined }} {{ missing is undefined }} {{ n is defined }} {{ missing is not defined }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(4) }} {{ 1 is eq 1 }} {{ 1 is equalto(2) }} {{ 2 is gt 1 }} {{ 2 is lessthan 1 }} {{ 1 is in [1, 2] }} {{ 'a' is in 'abc' }} {{ 5 is not in l }} {{ t is true }} {{ f is false }} {{ i is true }} {{ t is sameas true }} {{ 1 is sameas true }} {{ 'ab' is lower }} {{ 'AB' is upper }} {{ range is callable }} {{ s is callable }} {{ 'upper' is filter }} {{ 'nope' is test }}
{{ x is string is defined }}
{{ not s is string }} {{ s is string and i is number }} {{ 'a' if s is string else 'b' }} {{ s is not string or t }}
{% if s is defined and s is not none and s | length > 3 %}yes{% endif %}
{% if i > 5 %}a{% elif i > 3 %}b{% else %}c{% endif %}{% if i > 50 %}a{% elif i > 3 %}b{% else %}c{% endif %}{% if i > 50 %}a{% elif i > 30 %}b{% else %}c{% endif %}{% if el %}x{% endif %}
a {%- if t -%} b {%- endif -%} c {{- 1 -}} d {#- comment -#} e
a {%+ if t +%} b {%+ endif %} c {{ 1 }} d {# comment #} e
{% raw %}{{ raw }} {% if %}{% endraw %} x {%- raw -%} y {%- endraw -%} z
{{ s }}{# {{ s }} {% if %} #}{{ i }}
{{ "}}" }} {{ '%}' }} {{ {'a': {'b': 1}}['a']['b'] }}
{{- s -}}
{% generation %}gen {{ i }}{% endgeneration %} after
{% if true: %}colon{% endif %}
{{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict({'q': 1}, z=2) }} {{ dict() }}
{{ namespace() }} {{ namespace(a='x') }}
{{ raise_exception('boom: ' ~ i) }}
{{ raise_exception() }}
{% include 'x' %}
{% import 'x' as y %}
{% extends 'x' %}
{% nope %}
{% if t %}
{% for x in l %}
{% endif %}
{% endfor %}
{% if %}{% endif %}
{{ }}
{{ s
{% if t
{# never closed
{% raw %} never closed
{{ 'never closed }}
{{ (1 + 2 }}
{{ [1, 2) }}
{{ 1 + }}
{{ * 2 }}
{{ a b }}
{{ s.  }}
{{ s.1x }}
{{ s | }}
{{ s is }}
{{ l[ }}
{{ {1} }}
{{ {'a': } }}
{{ f(a=1, 2) }}
{{ f(a=1, a=2) }}
{{ s ? 1 : 2 }}
{{ s && t }}
{{ !s }}
{{ $x }}
{% set 1 = 2 %}
{% set true = 2 %}
{% set x %}
{% macro %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% for x l %}{% endfor %}
{% for in l %}{% endfor %}
{% call x %}{% endcall %}
{% elif t %}
{{ 'a\xZZ' }}
{{ [1, 2, 3,] }} {{ {'a': 1,} }} {{ (1, 2,) }} {{ dict(a=1,) }}
{{ 'in' in 'linen' }} {{ not 'x' in 'abc' }} {{ 'x' not in 'abc' and true }}
{{ 1 + 2 ~ 3 }}
{{ 1 ~ 2 + 3 ~ 4 if false else 'q' }} {{ 2 * 3 ~ 4 }} {{ 'a' + 1 ~ 2 }}
{{ l | length > 2 }} {{ l | length + 1 }} {{ -1 | abs + 2 }} {{ 'a' ~ l | join('') }} {{ l | first == 1 }}
{{ messages[1:] | map(attribute='role') | join }} {{ messages[-1].tool_calls[0].function.arguments | tojson }} {{ messages[0]['content'] + '\n\n' }}|
{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | first }} {{ (messages | rejectattr('role', 'equalto', 'system') | list)[0].content }}
{%- for m in messages if m.role != 'system' -%}{{ loop.index }}:{{ m.role }}{% if not loop.last %},{% endif %}{%- endfor -%}
{% set m2 = messages[0].copy() %}{{ m2.role }}
{{ [1, 2] is iterable and [1, 2] is not mapping and [1, 2] is not string }}
{% for k, v in {'a': 1, 'b': 2}.items() %}{{ loop.index }}{{ k }}{{ v }}{{ ', ' if not loop.last }}{% endfor %}
{% set x = [] %}{% for i in range(3) %}{% set x = x + [i] %}{% endfor %}{{ x }}
{{ s.split(' ')[0].lower() }} {{ s.split(' ') | last | upper }} {{ (s ~ '!').rstrip('!') }} {{ ('a' 'b').upper() }}
{{ '</think>' in '<think>x</think>y' }} {{ '<think>x</think>\n\ny'.split('</think>')[-1].lstrip('\n') }} {{ '<think>x</think>y'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}
{% macro a() %}{% for x in l %}{{ b(x) }}{% endfor %}{% endmacro %}{% macro b(x) %}<{{ x }}>{% endmacro %}{{ a() }}
{{ l == [1, 2, 3] }} {{ l != (1, 2, 3) }} {{ d == d }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ 1 == true }} {{ '1' == 1 }} {{ none == false }} {{ l == range(1, 4) }} {{ 'a' == 'a' }}
{{ f(*l) }}
{% macro f(a, b, c=0, d=0) %}{{ a }}{{ b }}{{ c }}{{ d }}{% endmacro %}{{ f(*[1, 2]) }} {{ f(1, *[2, 3]) }} {{ f(1, 2, **{'d': 4}) }} {{ f(*[1], **{'b': 2}) }}
{{ 1.5 | string }} {{ (1.0) }} {{ 3 / 2 }} {{ 4 / 2 }} {{ 1e300 * 1e10 }} {{ -1e300 * 1e10 }} {{ 7 / 3 }} {{ 100000000000000000000.0 }} {{ 0.1 }} {{ 1/3 }}
{{ joined }}{% set joined = 'late' %}{{ joined }}
{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}
{% for x in l %}{% set loop_x = loop.index %}{% for y in l[:1] %}{{ loop_x }}{{ loop.index }} {% endfor %}{% endfor %}
{{ u.title() }} {{ u | capitalize }} {{ 'ÉCOLE' | lower }} {{ 'école' | upper }} {{ 'ﬁ' | length }}
{{ [1, [2, [3]]] | tojson(indent=2) }}
{{ ('a', 'b') }} {{ ('a',)[0] }} {{ ('a', 'b') | join }}
{{ 'abc' | replace }}
{{ 'abc' | upper(1) }}
{{ 'abc' | default }}
{{ n.x }}| {{ n['x'] }}|
{{ n.x.y }}
{{ 5.x }}
{{ (5).nope }}|
{% for c, items in people | groupby('age') %}{{ c }}:{% for p in items %}{{ p.name }},{% endfor %};{% endfor %}
{% for g in people | groupby('name') %}{{ g.grouper }}={{ g.list | length }}/{{ g[0] }} {% endfor %}
{{ people | groupby('tags.0', default='none') | map(attribute='grouper') | list }}
{{ ['b', 'A', 'a'] | groupby(0) }} {{ ['b', 'A', 'a'] | groupby(0, case_sensitive=true) }}
{{ [{'k': 'b'}, {'k': 'B'}, {'k': 1}] | groupby('k') }}
{{ [1, 2, 3, 4, 5, 6, 7] | slice(3) | list }} {{ l | slice(2, 'x') | list }} {{ l | slice(5) | list }}
{{ l | slice }}
{{ l | slice(0) | list }}
{{ d | attr('a') }}|{{ d | attr('keys') is callable }}|{{ s | attr('nope') is undefined }}
{{ d | attr('__class__') }}
{{ 'a b/c?d=\u00e9&~' | urlencode }} {{ {'a b': 'c/d', 'e': 1} | urlencode }} {{ [('x', 'y z'), ('k', none)] | urlencode }} {{ 12 | urlencode }}
<p{{ {'class': 'a "b"', 'id': 3, 'x': none, 'y': missing} | xmlattr }}>|{{ {'a': 'b'} | xmlattr(false) }}|{{ {} | xmlattr }}|
{{ {'a b': 1} | xmlattr }}
{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.current }}
{{ cycler() }}
{% set j = joiner() %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}|{% set k = joiner(' | ') %}{{ k() }}a{{ k() }}b
{{ joiner()(1) }}
{{ self.anything }}|{{ self is defined }}|{{ self }}|{{ self.x is defined }}
{{ self._TemplateReference__context }}
{{ self.__class__ }}
{% print s %}{% print 1, 2 %}
{% set ns = namespace() %}{% set ns._x = 1 %}
{{ namespace(_a=1) }}
{{ namespace(**{'__class__': 1}) }}
{% set ns = namespace(a=1) %}{{ ns._a is defined }}
{{ '{} {} {{}}'.format(1, 'b') }} {{ '{1}{0}{1}'.format('a', 'b') }} {{ '{x}-{y}'.format(x=1, y=[1]) }}
{{ '{:>5}|{:<5}|{:^5}|{:*^7}|{:\u00e9>4}'.format('ab', 'cd', 'ef', 'gh', 'i') }}
{{ '{:5}|{:05}|{:+d}|{: d}|{:x}|{:#X}|{:b}|{:#o}|{:,}|{:_}'.format(42, 42, 42, 42, 255, 255, 5, 8, 1234567, 1234567) }}
{{ '{:.2f}|{:8.3f}|{:e}|{:.3g}|{:g}|{:%}|{:.1%}|{:,.2f}'.format(3.14159, 2.5, 12345.678, 0.00012345, 1e10, 0.25, 0.256, 1234567.891) }}
{{ '{:08.2f}|{:=+8}|{:<08}|{:+.1f}|{:010}|{:-^+9}'.format(-3.14159, 5, 7, 2, -42, 3) }}
{{ '{:.3}|{:>6.2}|{:s}'.format('abcdef', 'xyz', 'q') }} {{ '{!r}|{!s}|{!r:>6}'.format('a', 'b', 'c') }}
{{ '{0[a]} {0[b][c]} {1.name} {2[1]}'.format(d, people[0], l) }} {{ '{0[b][c][1]}'.format(d) }}
{{ '{:{}}|{:{w}.{p}}'.format('a', 5, 'bcd', w=6, p=2) }}
{{ '{} {0}'.format(1) }}
{{ '{0} {}'.format(1) }}
{{ '{}'.format() }}
{{ '{x}'.format(y=1) }}
{{ '{'.format(1) }}
{{ '}'.format(1) }}
{{ '{!x}'.format(1) }}
{{ '{:d}'.format('a') }}
{{ '{:s}'.format(1) }}
{{ '{:.2}'.format(3) }}
{{ '{:=5}'.format('a') }}
{{ '{:5}'.format(none) }}
{{ '{:>5}'.format(l) }}
{{ '{:5!}'.format(1) }}
{{ '{0.__class__}'.format(1) }}
{{ '{0[0]}{0[x]}'.format(l) }}|{{ '{0.nope}'.format(1) }}|
{{ '{:d}'.format(2.5) }}
{{ '{:d}|{:5d}|{}'.format(true, false, true) }} {{ '{:f}|{:.0f}|{:#.0f}|{:e}'.format(1, 2.5, 3, 0) }} {{ '{:5}|{:<7}|{}'.format(1.5, 2.0, 1e20) }}
{{ '{:,}'.format('a') }}
{{ '{:,}|{:,}|{:,}|{:_x}|{:_b}'.format(123, -1234, 1234.5, 1048575, 255) }}
{{ '%s' | format('x') }} {{ '%(a)s' | format(a=1) }} {{ '%-5s|%05.1f|%+d' % ('a', 2.25, 3) }}
{{ '%#x|%#x|%#X|%#o|%#08x|%#8.4x|%.3x|%x|%X' % (0, 255, 255, 8, 255, 255, 10, -255, -1) }}
{{ '%05.3d|%5.3d|%+05d|%-05d|% d|%+ d|%.0d|%-+6d|%i|%d' % (5, -5, 5, 5, 5, 5, 0, 7, -9223372036854775807, true) }}
{{ '%05f|%-8f|%+5F|%+f|%G' % ('inf' | float, 'inf' | float, 'inf' | float, 'nan' | float, 'inf' | float) }}
{{ '%#.0f|%#.3g|%#g|%#.0e|%05.1f|%.0f|%.0f|%g|%g|%.3G|%E' % (2.0, 2.0, 0.0, 3.0, -2.55, 0.5, 1.5, 1e-5, 123456789.0, 1e-7, -12.5) }}
{{ '{:#.0f}|{:#.3g}|{:#g}|{:.0e}|{:G}|{:n}|{:08.2f}|{:+.1f}|{:F}|{:.17g}'.format(2.0, 2.0, 0.5, 3.0, 1e20, 1.5, -3.14159, 2.25, 1.0, 0.1) }}
{{ 2.675 | round(2) }} {{ -2.5 | round }} {{ 1e22 | round(3) }} {{ 0.5 | round }} {{ -0.04 | round(1) }} {{ 1234.5 | round(-2) }}
"""

MULTI = [
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%- if t %}\n  b\n  {%- endif %}\nc\n\n",
    "{% for x in l %}\n  {{ x }}\n{% endfor %}\nend",
    "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\nend\n",
    "  {% set y = 1 %}  \n  {{ y }}  {% if t %} z {% endif %}  \n",
    "\t{# comment #}\n  x {# y #}\n{#- z -#}\n w",
    "  {%+ if t %}\n  b\n  {%+ endif +%}\nc",
    "a\r\nb\rc\n{{ 'x\r\ny' }}\r\n",
    "{% raw %}\n  {{ x }}\n{% endraw %}\n  tail",
    "  {% raw %}  {{ x }}  {%- endraw %}  tail",
    "{{ s }}\n\n",
    "\n\n{{ s }}",
    "line\n{{ s -}}\n   next\n   {{- i }}",
    "{% if t %}{% endif %}\n\n  x",
    "{%if t%}tight{%endif%}{{s}}{{-i-}}",
    "{% set x = {\n  'a': 1,\n  'b': [\n    2,\n  ],\n} %}{{ x }}",
    "{{ '<tool>\n' ~ (d | tojson) ~ '\n</tool>' }}",
    "x {% if t %}\n\n  y\n{% else %}\n z\n{% endif %}\n!",
    "  {{ s }}  {% set q = 1 %}\n   {% set r = 2 %}   {{ q + r }}\n",
    "{%- macro m(a) %}\n  [{{ a }}]\n{%- endmacro -%}\n\n{{ m(1) }}\n{{- m(2) }}",
]


def run(source):
    try:
        return {"expected": env.from_string(source).render(**V)}
    except Exception as e:  # whatever Python raises is an error of the template
        return {"error": f"{type(e).__name__}: {e}"}


cases = [{"source": s, **run(s)} for s in SNIPPETS.strip("\n").split("\n") + MULTI]
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "snippets.json")
with open(path, "w", encoding="utf-8") as f:
    json.dump({"variables": V, "cases": cases}, f, ensure_ascii=True, indent=1)
    f.write("\n")
print(len(cases), sum("error" in c for c in cases))
