import { expect, test } from 'bun:test'
import { htmlPage } from './html.ts'

const PAGE =
  htmlPage(`<!doctype html><html lang="en"><head><title>T &amp; &lt;b&gt;</title><style>p > a { }</style></head><body>
  <p class="a b">Hello  <b>&#39;you&#x27;</b>,<br/>and <i>all</i></p><script>if (1 < 2) "</p>"</script>
  <noscript><meta http-equiv="refresh" content="0;url=/x?a=1&amp;b"/></noscript>
  <a href="/x?a=1&amp;b=&quot;">Go <b>on</b></a>
  <form action="/one"><input type="hidden" name="act" value="make"><label for="n">Name</label><input id="n" name="n" value=""/></form>
  <form><input type="hidden" name="act" value="end"><label>Days <select name="days"><option value="7">7</option></select></label>
  <button name="id" value="i1">End</button></form><textarea>
a &lt;b
</textarea></body></html>`)

test('a page is read as a browser shows it: without what nobody sees, with entities read and white space as one space', () => {
  expect(PAGE.text).toBe(`Hello 'you', and all Go on Name Days 7 End a <b`)
  expect([PAGE.one('title').text, PAGE.one('p').text]).toEqual(['T & <b>', `Hello 'you', and all`])
  expect([PAGE.one('script').lines, PAGE.one('style').lines]).toEqual(['if (1 < 2) "</p>"', 'p > a { }'])
  expect(PAGE.one('textarea').lines).toBe('\na <b\n')
  expect(PAGE.has('meta')).toBe(false)
  expect(htmlPage(PAGE.one('noscript').lines).one('meta').attribute('content')).toBe('0;url=/x?a=1&b')
  expect(htmlPage('{"not":"html"}').text).toBe('{"not":"html"}')
})

test('what is in it is found by selector, by text, by label and by the value of a field', () => {
  expect([PAGE.texts('p.a > b, i'), PAGE.all('input').length, PAGE.has('p > a')]).toEqual([["'you'", 'all'], 3, false])
  expect([PAGE.link('Go on'), PAGE.link('Go'), PAGE.address('/x')]).toEqual(['/x?a=1&b="', null, '/x?a=1&b="'])
  expect([PAGE.field('Name').attribute('name'), PAGE.field('Days 7').attribute('name')]).toEqual(['n', 'days'])
  expect([PAGE.hasButton('End'), PAGE.hasButton('Make')]).toEqual([true, false])
  expect([PAGE.form(), PAGE.form('i1')]).toEqual([
    { action: '/one', hidden: { act: 'make' } },
    { action: null, hidden: { act: 'end' } },
  ])
  for (const missing of [() => PAGE.one('b'), () => PAGE.one('h1'), () => PAGE.form('x'), () => PAGE.field('Day')]) {
    expect(missing).toThrow()
  }
})
