--- vouchd as a language server: how it is started, and found again after it was restarted.
local M = {}

--- The buffers of each client, to be attached again.
local buffers = {}

--- What `vim.g.vouch` sets, with the defaults.
function M.settings()
  return vim.tbl_extend('keep', vim.g.vouch or {}, {
    vouchd = 'vouchd',
    vouch = 'vouch',
    inlay_hints = true,
  })
end

--- Calls a method of a client: a function before Neovim 0.11, a method since.
function M.request(client, method, params, callback)
  if vim.fn.has('nvim-0.11') == 1 then
    return client:request(method, params, callback)
  end
  return client.request(method, params, callback)
end

--- A client that is connected; nil where there is none.
function M.client()
  local here = vim.lsp.get_clients({ name = 'vouchd', bufnr = 0 })[1]
  return here or vim.lsp.get_clients({ name = 'vouchd' })[1]
end

--- What is in force: what `vim.lsp.config` says, where there is that.
local function resolved()
  return vim.lsp.enable and vim.lsp.config.vouchd or M.config
end

--- Attaches a buffer, over the connection that there is or a new one.
function M.attach(buffer)
  return vim.lsp.start(resolved(), { bufnr = buffer })
end

--- Attaches buffers whenever one of them is entered or written, once.
local function attach_later(lost)
  local group = vim.api.nvim_create_augroup('vouch.attach', { clear = false })
  for _, buffer in ipairs(lost) do
    vim.api.nvim_create_autocmd({ 'BufEnter', 'BufWritePost' }, {
      group = group,
      buffer = buffer,
      once = true,
      callback = function()
        M.attach(buffer)
      end,
    })
  end
end

--- The service ended the connection. Where it was replaced (`vouch restart`), the new one is there
--- already. One that was stopped is not started again before somebody works on a document.
local function lost(gone)
  local there = vim.tbl_filter(vim.api.nvim_buf_is_loaded, gone)
  if #there == 0 then
    return
  end
  local ask = { M.settings().vouch, '--no-spawn', 'status' }
  local asked = pcall(vim.system, ask, { timeout = 60000 }, vim.schedule_wrap(function(said)
    if said.code ~= 0 then
      vim.notify('vouchd has ended; it starts again when you enter or write a document')
      return attach_later(there)
    end
    vim.iter(there):filter(vim.api.nvim_buf_is_loaded):each(M.attach)
  end))
  if not asked then
    attach_later(there)
  end
end

--- A buffer was attached: a function of its own, since `on_attach` is for the user's config.
function M.attached(id, buffer)
  local client = vim.lsp.get_client_by_id(id)
  if not client or client.name ~= 'vouchd' then
    return
  end
  buffers[id] = buffers[id] or {}
  buffers[id][buffer] = true
  if M.settings().inlay_hints then
    vim.lsp.inlay_hint.enable(true, { bufnr = buffer })
  end
end

M.config = {
  name = 'vouchd',
  cmd = { M.settings().vouchd, 'connect' },
  filetypes = { 'yaml', 'yaml.helm-values', 'helm', 'toml', 'json', 'jsonc' },
  on_exit = function(code, _, id)
    local gone = vim.tbl_keys(buffers[id] or {})
    buffers[id] = nil
    -- 69: the service ended the connection. Otherwise Neovim did, or none could be started, which
    -- no second try mends.
    if code == 69 then
      vim.schedule(function()
        lost(gone)
      end)
    end
  end,
}

return M
