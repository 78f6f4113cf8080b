--- `:checkhealth vouch`
local vouch = require('vouch')
local health = vim.health
local M = {}

local function program(name, what)
  if vim.fn.executable(name) == 0 then
    health.error(('%s is not found: %s'):format(name, what), {
      'Install vouchd so that both `vouchd` and `vouch` are in the PATH,',
      'or name them: vim.g.vouch = { vouchd = "/path", vouch = "/path" }',
    })
    return false
  end
  local said = vim.system({ name, '--version' }, { text = true, timeout = 10000 }):wait()
  health.ok(vim.trim(said.stdout) .. ', ' .. vim.fn.exepath(name))
  return true
end

function M.check()
  health.start('vouch')
  if vim.fn.has('nvim-0.10') == 1 then
    health.ok('Neovim ' .. tostring(vim.version()))
  else
    health.error('Neovim 0.10 or later is needed')
  end
  local settings = vouch.settings()
  program(settings.vouchd, 'there is no language server')
  if program(settings.vouch, 'commands cannot run') then
    local ask = { settings.vouch, '--no-spawn', 'status' }
    local said = vim.system(ask, { text = true, timeout = 10000 }):wait()
    if said.code == 0 then
      health.ok('The service runs: ' .. vim.split(vim.trim(said.stdout), '\n')[1])
    else
      health.info('No service runs; the first document starts one')
    end
  end
  local clients = vim.lsp.get_clients({ name = 'vouchd' })
  for _, client in ipairs(clients) do
    local count = vim.tbl_count(client.attached_buffers)
    health.ok(('Connected, with %d documents'):format(count))
  end
  if #clients == 0 then
    health.info('Not connected: open a YAML, TOML or JSON file')
  end
end

return M
