-- Asks Sallyport whether a request may pass, for HAProxy: http-request lua.sallyport ADDRESS PREFIX
--
-- ADDRESS is where it asks, by number unless HAProxy has resolvers; PREFIX is how the fields begin that say who is there ("remote",
-- "x-token", …). On 204 the request goes on with what the answer says of its client; anything else is what the client is shown.

-- What HAProxy and this request say by themselves, or what holds for one connection alone.
local own = {
  ['host'] = true, ['connection'] = true, ['upgrade'] = true, ['te'] = true, ['trailer'] = true, ['expect'] = true,
  ['keep-alive'] = true, ['content-length'] = true, ['transfer-encoding'] = true, ['proxy-connection'] = true,
  ['x-forwarded-for'] = true, ['x-forwarded-host'] = true, ['x-forwarded-method'] = true, ['x-forwarded-proto'] = true,
  ['x-forwarded-uri'] = true, ['x-original-body'] = true,
}

-- A name as an application may fold it.
local function fold(name)
  return (name:lower():gsub('[^a-z0-9]', '-'))
end

-- The values of a field, which HAProxy counts from 0.
local function values(list)
  local all = {}
  for index = 0, #list do all[#all + 1] = list[index] end
  return all
end

local function first(fields, name)
  return fields[name] and fields[name][0] or ''
end

local function question(txn, sent)
  local fields = {
    ['x-forwarded-for'] = { txn.sf:src() },
    ['x-forwarded-host'] = { first(sent, 'host') },
    ['x-forwarded-method'] = { txn.sf:method() },
    ['x-forwarded-proto'] = { txn.sf:ssl_fc() == 1 and 'https' or 'http' },
    ['x-forwarded-uri'] = { txn.sf:pathq() },
    ['x-original-body'] = { first(sent, 'content-length') .. first(sent, 'transfer-encoding') },
  }
  for name, list in pairs(sent) do
    if not own[name:lower()] then fields[name] = values(list) end
  end
  return fields
end

local function pass(txn, sent, answer, prefix)
  local function isSaid(name)
    return name == 'cookie' or name == 'authorization' or name:sub(1, #prefix + 1) == prefix .. '-'
  end
  for name in pairs(sent) do
    local folded = fold(name)
    if isSaid(folded) or folded == 'x-sallyport-token' then txn.http:req_del_header(name) end
  end
  for name, list in pairs(answer.headers) do
    if isSaid(name) and list[0] ~= '' then txn.http:req_set_header(name, list[0]) end
  end
end

local function refuse(txn, answer)
  local isAnswer = answer ~= nil and answer.status ~= nil and answer.status >= 300
  local reply = txn:reply { status = isAnswer and answer.status or 502, body = isAnswer and answer.body or '' }
  for name, list in pairs(isAnswer and answer.headers or {}) do
    if not own[name:lower()] then
      for _, value in ipairs(values(list)) do reply:add_header(name, value) end
    end
  end
  txn:done(reply)
end

core.register_action('sallyport', { 'http-req' }, function(txn, address, prefix)
  local sent = txn.http:req_get_headers()
  local answer = core.httpclient():get { url = address, headers = question(txn, sent) }
  if answer and answer.status == 204 then pass(txn, sent, answer, fold(prefix)) else refuse(txn, answer) end
end, 2)
