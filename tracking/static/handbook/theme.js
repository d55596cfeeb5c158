// The theme that was chosen in the admin, before anything is drawn; without a choice the system's.
try {
  const theme = JSON.parse(localStorage.getItem("adminTheme"));
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // No storage, or something else in it: the system's theme.
}
