-- Neovim 0.11 and later read this for vim.lsp.enable('vouchd'), and join it with what
-- vim.lsp.config('vouchd', …) says.
return require('vouch').config
