--- `:Vouch`: what asks a person something runs `vouch` in a terminal, what shows much shows what
--- `vouch` says, and the rest goes over the editor's own connection.
local vouch = require('vouch')
local M = {}

local function tell(message, level)
  vim.notify(message, level or vim.log.levels.INFO, { title = 'vouch' })
end

--- A word as it was typed; of Vim's own ones, `%` and `#` with modifiers, and `~/`. The rest stays as
--- it is: a shell would run what stands in backticks, and names are anybody's.
local function plain(word)
  local bare = word:gsub(':[phtre~.]', '')
  if word:match('^[%%#]') and (bare == '%' or bare:match('^#%d*$')) then
    local path = vim.fn.expand(word)
    -- A name is never an option.
    return vim.startswith(path, '-') and './' .. path or path
  end
  local home = word == '~' or vim.startswith(word, '~/')
  return home and vim.uv.os_homedir() .. word:sub(2) or word
end

--- The whole path that a word names.
local function whole(word)
  local path = plain(word)
  if not vim.startswith(path, '/') then
    path = vim.fn.getcwd() .. '/' .. path
  end
  return vim.fs.normalize(path, { expand_env = false })
end

--- Whether a word is written as a reference that says where, and which.
local function is_whole_reference(word)
  local host = not word:match('^[/.~%%#]') and word:match('^([^/]+)/')
  local says_where = host and (host == 'localhost' or host:match('[.:]'))
  return vim.startswith(word, 'oci:') or says_where and word:match('[:@][^/]*$')
end

--- Calls `with` with a client. Where none is connected, one is, and the request waits for it.
local function connected(with)
  local client = vouch.client()
  if not client then
    local id = vouch.attach(vim.api.nvim_get_current_buf())
    client = id and vim.lsp.get_client_by_id(id)
  end
  if client then
    with(client)
  else
    tell('vouchd could not be started: see :checkhealth vouch', vim.log.levels.ERROR)
  end
end

local function call(method, params, done)
  connected(function(client)
    vouch.request(client, method, params, function(error, result)
      if error then
        local help = type(error.data) == 'table' and error.data.help
        tell(error.message .. (help and '\n' .. help or ''), vim.log.levels.ERROR)
      else
        done(result)
      end
    end)
  end)
end

local function execute(command, arguments, done)
  call('workspace/executeCommand', { command = command, arguments = arguments }, done)
end

local function is_before(one, other)
  return one.line < other.line or one.line == other.line and one.character < other.character
end

--- The reference under the cursor; `done` gets its canonical form.
local function at_cursor(done)
  local cursor = vim.lsp.util.make_position_params(0, 'utf-16').position
  local params = {
    uri = vim.uri_from_bufnr(0),
    text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\n') .. '\n',
    lookup = 'memory',
  }
  call('document/check', params, function(found)
    for _, it in ipairs(found.references) do
      local from, to = it.range.start, it.range['end']
      if it.reference and not is_before(cursor, from) and not is_before(to, cursor) then
        return done(it.reference)
      end
    end
    tell('There is no reference under the cursor; name one', vim.log.levels.WARN)
  end)
end

--- Runs `vouch` in a terminal below; answers the buffer. It stays, so that its end can be read.
local function terminal(arguments)
  local command = vim.list_extend({ vouch.settings().vouch }, arguments)
  vim.cmd('botright 15new')
  if vim.fn.has('nvim-0.11') == 1 then
    vim.fn.jobstart(command, { term = true })
  else
    vim.fn.termopen(command)
  end
  vim.cmd.startinsert()
  return vim.api.nvim_get_current_buf()
end

--- Shows what `vouch` says in a buffer of its own.
local function show(arguments)
  local command = vim.list_extend({ vouch.settings().vouch }, arguments)
  vim.system(command, { text = true }, vim.schedule_wrap(function(said)
    local text = vim.trim(said.stdout .. said.stderr)
    vim.cmd('botright 15new')
    vim.api.nvim_buf_set_lines(0, 0, -1, true, vim.split(text, '\n'))
    vim.bo.buftype, vim.bo.bufhidden = 'nofile', 'wipe'
    vim.bo.modifiable, vim.bo.modified = false, false
    vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = 0 })
  end))
end

--- With the reference that a command is about: its first word, or else the one under the cursor.
local function reference(words, done)
  if words[1] then
    done(words[1])
  else
    at_cursor(done)
  end
end

--- With what a command is about, and whether that is a reference for sure: its first word, a file that
--- there is by its whole path, or else the reference under the cursor, which never is a file.
local function about(words, done)
  if not words[1] or words[1] == '--reference' then
    return reference({ words[2] }, function(named)
      done(named, true)
    end)
  end
  local word, path = words[1], whole(words[1])
  if not vim.uv.fs_stat(path) then
    done(word, false)
  elseif is_whole_reference(word) then
    local said = '%s could mean two places: write ./%s for what is there by that name, or --reference %s'
    tell(said:format(word, word, word), vim.log.levels.ERROR)
  else
    done(path, false)
  end
end

--- How a signer came to be accepted. A way that is not known is as good as none.
local modes = {
  named = 'it names them',
  pinned = 'the repository has had them before',
  firstUse = 'first use, nothing to compare them with',
}

local function told(named, verification)
  if verification.verdict == 'accepted' then
    local trust = verification.trust
    local signer = trust.signer or verification.signature.signer.id
    local how = modes[trust.mode] or 'nobody checked whose signature it is'
    tell(('accepted %s, signed by %s (rule %s: %s)'):format(named, signer, trust.rule, how))
  else
    local refusal = verification.refusal
    local help = refusal.help and '\n' .. refusal.help or ''
    tell(('refused (%s): %s%s'):format(refusal.kind, refusal.message, help), vim.log.levels.ERROR)
  end
end

local function in_terminal(name)
  return function(words)
    terminal(vim.list_extend({ name }, vim.tbl_map(plain, words)))
  end
end

local function shown(name)
  return function(words)
    show(vim.list_extend({ name }, vim.tbl_map(plain, words)))
  end
end

local commands = {
  verify = function(words)
    about(words, function(named)
      execute('vouch.verify', { named }, function(result)
        told(named, result)
      end)
    end)
  end,
  inspect = function(words)
    about(words, function(named, published)
      show(published and { 'inspect', '--reference', named } or { 'inspect', named })
    end)
  end,
  --- `:Vouch pull DESTINATION [REFERENCE]`, the reference under the cursor by default.
  pull = function(words)
    if not words[1] then
      return tell('Name the file to pull to, then the reference', vim.log.levels.WARN)
    end
    local to = whole(words[1])
    reference({ words[2] }, function(named)
      execute('vouch.pull', { named, to }, function(result)
        told(named, result.verification)
      end)
    end)
  end,
  --- `:Vouch push FILE [REFERENCE]`, the reference under the cursor by default.
  push = function(words)
    local rest = vim.list_slice(words, 2)
    if not words[1] then
      return tell('Name the file to push, then the reference', vim.log.levels.WARN)
    end
    reference(rest, function(named)
      local more = vim.list_slice(rest, 2)
      terminal(vim.list_extend({ 'push', whole(words[1]), named }, more))
    end)
  end,
  allow = function(words)
    if not words[1] then
      return tell('Name the registry at which lookups are allowed', vim.log.levels.WARN)
    end
    execute('vouch.allowRegistry', { words[1] }, function(registry)
      tell(('Lookups at %s are allowed until vouchd stops'):format(registry))
    end)
  end,
  attach = function()
    vouch.attach(vim.api.nvim_get_current_buf())
  end,
  sign = in_terminal('sign'),
  login = in_terminal('login'),
  logout = in_terminal('logout'),
  trust = in_terminal('trust'),
  log = in_terminal('log'),
  restart = in_terminal('restart'),
  check = shown('check'),
  status = shown('status'),
  sessions = shown('sessions'),
  tags = shown('tags'),
}

function M.run(words)
  local name = words[1]
  local command = commands[name]
  if not command then
    return tell(('There is no :Vouch %s; see :help :Vouch'):format(name), vim.log.levels.ERROR)
  end
  command(vim.list_slice(words, 2))
end

--- Files whose names begin so. Vim's own completion has a shell expand what was typed.
local function files(typed)
  local folder = typed:match('^.*/') or ''
  local start = typed:sub(#folder + 1)
  local found = {}
  for name, kind in vim.fs.dir(whole(folder == '' and '.' or folder)) do
    local is_meant = vim.startswith(name, start) and (start ~= '' or not vim.startswith(name, '.'))
    if is_meant and not name:find('%c') then
      -- What would be read as an option, or as one of Vim's words.
      local before = folder == '' and name:match('^[-%%#~]') and './' or folder
      local path = vim.fn.escape(before .. name, ' \\')
      table.insert(found, kind == 'directory' and path .. '/' or path)
    end
  end
  table.sort(found)
  return found
end

--- Names of commands, then files.
function M.complete(line)
  local words = vim.split(line, '%s+')
  local typed = words[#words]
  if #words > 2 then
    return files(typed)
  end
  local names = vim.tbl_filter(function(name)
    return vim.startswith(name, typed)
  end, vim.tbl_keys(commands))
  table.sort(names)
  return names
end

return M
