-- A person's session in Neovim: `editors.rs` starts it with a manifest that names an artifact nobody
-- signed. It says how far it is, and why it ends.

local said = {}
vim.notify = function(message)
  table.insert(said, message)
end

local function say(what)
  io.stdout:write(what, '\n')
end

-- Only a session that fails waits as long as that.
local function await(what, condition)
  say('wait until ' .. what)
  if not vim.wait(600000, condition, 20) then
    error('never: ' .. what .. '\n' .. table.concat(said, '\n'), 0)
  end
end

local function line()
  return vim.api.nvim_buf_get_lines(0, 3, 4, true)[1]
end

local function errors(count)
  return function()
    return #vim.diagnostic.get(0) == count
  end
end

-- Asks when no answer is to come any more: a second one would do again what the first one did. An
-- answer has come a moment before it is dealt with, so that is looked at twice.
local function asker(method, ask)
  local calm = 0
  return function()
    local pending = vim.iter(vim.lsp.get_clients({ name = 'vouchd' })):any(function(client)
      return vim.iter(vim.tbl_values(client.requests)):any(function(request)
        return request.method == method and request.type == 'pending'
      end)
    end)
    calm = pending and 0 or calm + 1
    if calm > 2 then
      calm = 0
      ask()
    end
  end
end

-- What a hover shows, asked for as K does.
local function hovered(part)
  local shown
  local ask = asker('textDocument/hover', vim.lsp.buf.hover)
  await('a hover says ' .. part, function()
    for _, window in ipairs(vim.api.nvim_list_wins()) do
      if vim.api.nvim_win_get_config(window).relative ~= '' then
        local buffer = vim.api.nvim_win_get_buf(window)
        shown = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, true), '\n')
        vim.api.nvim_win_close(window, true)
        if shown:find(part, 1, true) then
          return true
        end
      end
    end
    ask()
  end)
  return shown
end

-- Takes the code action whose title begins so, once it is offered.
local function act(beginning)
  local tick = vim.b.changedtick
  local ask = asker('textDocument/codeAction', function()
    vim.lsp.buf.code_action({
      apply = true,
      filter = function(action)
        return vim.startswith(action.title, beginning)
      end,
    })
  end)
  await('the action ' .. beginning, function()
    if vim.b.changedtick ~= tick then
      return true
    end
    ask()
  end)
end

-- Runs a command that opens a terminal, and closes that once it has ended.
local function in_terminal(command)
  local status
  vim.api.nvim_create_autocmd('TermClose', {
    once = true,
    callback = function()
      status = vim.v.event.status
    end,
  })
  vim.cmd(command)
  local buffer = vim.api.nvim_get_current_buf()
  await(command .. ' ends', function()
    return status
  end)
  local text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, true), '\n')
  assert(status == 0, text)
  vim.cmd('stopinsert | bwipeout! ' .. buffer)
end

local function noted(part)
  await('it is told ' .. part, function()
    return table.concat(said, '\n'):find(part, 1, true)
  end)
  said = {}
end

local function session()
  local reference = vim.env.REGISTRY .. '/acme/echo:0.1.0'
  await('the refused reference shows', errors(1))
  local refused = vim.diagnostic.get(0)[1]
  assert(refused.severity == vim.diagnostic.severity.ERROR, vim.inspect(refused))
  assert(refused.code == 'unsigned' and refused.lnum == 3, vim.inspect(refused))

  vim.api.nvim_win_set_cursor(0, { 4, 30 })
  hovered('Refused')
  -- A file has the reference's name; what a document names is never a file.
  vim.fn.mkdir(vim.fs.dirname(reference), 'p')
  vim.fn.writefile({ 'not an artifact' }, reference)
  vim.cmd('Vouch verify')
  noted('refused (unsigned)')
  vim.cmd('Vouch verify ' .. reference)
  noted('could mean two places')
  vim.cmd('Vouch verify --reference ' .. reference)
  noted('refused (unsigned)')
  vim.cmd('Vouch verify ./' .. reference)
  noted('unknownArtifact')
  vim.cmd('Vouch inspect')
  await('it is inspected', function()
    return vim.bo.buftype == 'nofile' and vim.fn.search('0\\.1\\.0@sha256:') > 0
  end)
  vim.cmd('bwipeout!')
  vim.cmd('Vouch verify echo.wasm')
  noted('echo.wasm')

  act('Pin the digest')
  local pinned = line()
  assert(pinned:find('@sha256:', 1, true), pinned)

  in_terminal('Vouch sign echo.wasm')
  in_terminal('Vouch push echo.wasm ' .. reference)
  -- What is pinned is still what nobody signed.
  hovered('Refused')
  act('Move the digest')
  assert(line() ~= pinned, 'another digest')
  await('nothing is refused', errors(0))
  assert(hovered('Accepted'):find(vim.env.ACCOUNT, 1, true))
  await('a hint says who signed it', function()
    local hints = vim.lsp.inlay_hint.get({ bufnr = 0 })
    local label = hints[1] and hints[1].inlay_hint.label
    -- The rule accepts anybody.
    return label and label:find('signed by', 1, true) and not label:find('✓', 1, true)
  end)
  vim.cmd('write')
  vim.cmd('Vouch pull pulled.wasm')
  noted('nobody checked whose signature it is')
  vim.cmd('Vouch allow 127.0.0.1:1')
  noted('127.0.0.1:1')

  -- After a restart of the service it is connected again, by itself.
  local before = vim.lsp.get_clients({ name = 'vouchd' })[1].id
  in_terminal('Vouch restart')
  await('it is connected again', function()
    local client = vim.lsp.get_clients({ name = 'vouchd', bufnr = 0 })[1]
    return client and client.id ~= before
  end)
  hovered('Accepted')
  vim.api.nvim_buf_set_lines(0, 3, 4, true, { '  module: registry://' .. vim.env.REGISTRY .. '/acme/unsigned:1' })
  await('what is refused shows again', errors(1))

  -- After its end it is once the document is opened again.
  before = vim.lsp.get_clients({ name = 'vouchd' })[1].id
  assert(vim.system({ 'vouch', 'stop' }):wait().code == 0, 'it stops')
  await('the connection is gone', function()
    local client = vim.lsp.get_clients({ name = 'vouchd', bufnr = 0 })[1]
    return not client or client.id ~= before
  end)
  vim.cmd('edit!')
  hovered('Accepted')

  vim.cmd('checkhealth vouch')
  local health = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\n')
  assert(health:find('Connected, with 1 documents', 1, true), health)
  assert(not health:find('ERROR', 1, true), health)
  vim.cmd('bwipeout!')
  vim.cmd('Vouch status')
  await('the status is shown', function()
    return vim.bo.buftype == 'nofile' and vim.fn.search('vouchd') > 0
  end)

  -- A file's name is nothing for a shell, nor an option, nor one of Vim's words.
  local function check(word)
    vim.cmd('Vouch check ' .. word)
    await(word .. ' is checked', function()
      return vim.bo.buftype == 'nofile' and vim.fn.search('accepted in 1 document') > 0
    end)
    vim.cmd('bwipeout!')
  end
  local hostile = "~`touch$IFS'ran'`.yaml"
  local text = vim.fn.readfile('policy.yaml')
  vim.fn.mkdir('`touch ran`')
  for _, name in ipairs({ hostile, '-q.yaml', '%a.yaml' }) do
    vim.fn.writefile(text, name)
  end
  vim.cmd('bwipeout!')
  check(hostile)
  check('%a.yaml')
  vim.cmd('edit ./-q.yaml')
  check('%')
  local complete = require('vouch.commands').complete
  local function completes(typed, expected)
    local offered = complete('Vouch check ' .. typed)
    assert(vim.deep_equal(offered, expected), vim.inspect(offered))
  end
  completes('~', { './' .. hostile })
  completes('./~', { './' .. hostile })
  completes('-', { './-q.yaml' })
  completes('`', { '`touch\\ ran`/' })
  completes('`touch\\ ran`/', {})
  completes('poli', { 'policy.yaml' })
  assert(not vim.uv.fs_stat('ran'), 'a shell ran what a name says')
  vim.cmd('helptags ' .. vim.fn.fnameescape(vim.env.SCRATCH_DOC))
end

local fine, why = xpcall(session, debug.traceback)
say(fine and 'DONE' or tostring(why))
vim.cmd(fine and 'qall!' or 'cquit!')
