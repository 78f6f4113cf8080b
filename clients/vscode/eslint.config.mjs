import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["build/", "dist/", "eslint.config.mjs"] },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { project: "./tsconfig.json" } },
    rules: {
      // The environment's names come in brackets: see `noPropertyAccessFromIndexSignature`.
      "@typescript-eslint/dot-notation": "off",
      // An empty name counts as none.
      "@typescript-eslint/prefer-nullish-coalescing": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["src/**"],
    ignores: ["src/say.ts"],
    rules: {
      "no-restricted-properties": [
        "error",
        ...["showInformationMessage", "showWarningMessage", "showErrorMessage", "withProgress", "showInputBox"].map(
          (property) => ({ property, message: "It would make links of others' words: src/say.ts has what is without." }),
        ),
      ],
    },
  },
);
