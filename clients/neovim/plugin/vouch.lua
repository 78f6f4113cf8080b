if vim.g.loaded_vouch then
  return
end
vim.g.loaded_vouch = true

-- Neovim has no type for it, and no other ending tells that it is TOML.
vim.filetype.add({ filename = { ['wkg.lock'] = 'toml' } })

local group = vim.api.nvim_create_augroup('vouch', {})
vim.api.nvim_create_autocmd('LspAttach', {
  group = group,
  callback = function(event)
    require('vouch').attached(event.data.client_id, event.buf)
  end,
})

if vim.lsp.enable then
  vim.lsp.enable('vouchd')
else
  local config = require('vouch').config
  vim.api.nvim_create_autocmd('FileType', {
    group = group,
    pattern = config.filetypes,
    callback = function(event)
      if vim.bo[event.buf].buftype == '' then
        require('vouch').attach(event.buf)
      end
    end,
  })
end

vim.api.nvim_create_user_command('Vouch', function(said)
  require('vouch.commands').run(said.fargs)
end, {
  nargs = '+',
  desc = 'Verify, sign, push and pull WebAssembly artifacts',
  complete = function(_, line, at)
    return require('vouch.commands').complete(line:sub(1, at))
  end,
})
